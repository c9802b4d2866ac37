"""A plugin that does not load."""

raise SystemExit("bye")
