"""Each trainer beside a bare script that does the same training: what both are given, and what both did."""
