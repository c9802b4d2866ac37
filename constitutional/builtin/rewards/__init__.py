"""Rewards: from a dialogue to a score, or to none with a reason."""
