"""This machine: processes, users, files, locks."""
