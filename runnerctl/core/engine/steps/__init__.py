"""The single steps of a runner's life, each of which may run twice."""
