"""The vocabulary of places and mistakes, under the name that the language knows it by."""

from __future__ import annotations

from constitutional.diagnostic import Diagnostic, Label, Severity, Source, Span, in_order

__all__ = ["Diagnostic", "Label", "Severity", "Source", "Span", "in_order"]
