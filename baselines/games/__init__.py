"""Players of games whose losses are written by hand."""
