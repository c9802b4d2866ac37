"""What survives: the journal of calls and rows, the content-addressed artifacts, and the run folder."""
