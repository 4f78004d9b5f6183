"""The systemd service: what it consists of, whether it can be trusted, and how it comes and goes."""
