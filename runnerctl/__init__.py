"""GitHub Actions runners on demand, on your own hosts."""

__version__ = "0.1.0"
