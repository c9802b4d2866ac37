"""The specs of `all_trainers.py`, the backend they need, and how its figures are shown."""
