"""Flat stages, under the name that plans use; the work is done in `spec.unroll`, since `check` needs it too."""

from constitutional.spec.unroll import unroll

__all__ = ["unroll"]
