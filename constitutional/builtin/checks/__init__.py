"""Checks: what can be said of a text without a model, the same on every machine."""
