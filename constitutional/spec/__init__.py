"""From text to a checked spec: positions first, then structure, names, parameters and types."""
