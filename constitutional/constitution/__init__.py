"""The constitution: its principles, its file, and which principle a row meets."""
