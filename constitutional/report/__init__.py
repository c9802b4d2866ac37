"""What a person is told at the end: figures with n and intervals, where things are, the picture of the graph."""
