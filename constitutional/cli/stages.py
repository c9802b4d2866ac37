"""`constitutional stages`: what there is, with every parameter."""

from __future__ import annotations
