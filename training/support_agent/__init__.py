"""The teaching model in the box: its world, its corpus, its training and its examination."""
