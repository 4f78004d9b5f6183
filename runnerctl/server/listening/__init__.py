"""Where the server listens, and for whom."""
