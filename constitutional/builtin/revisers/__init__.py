"""Revisers: from critiques to better answers."""

from constitutional.builtin.revisers.rewrite import Rewrite

REVISERS = (Rewrite,)

__all__ = ["REVISERS", "Rewrite"]
