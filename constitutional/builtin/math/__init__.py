"""The mathematics as pure functions: each named as in its paper, with its source in the docstring."""
