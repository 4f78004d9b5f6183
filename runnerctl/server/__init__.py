"""The HTTP front end: the core's operations as routes."""
