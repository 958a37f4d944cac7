"""Where state is kept: the port, and the stores that answer it."""
