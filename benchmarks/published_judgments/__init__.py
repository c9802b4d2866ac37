"""Figures that others published, made again from their judgments with this package's records and statistics."""
