"""What root does for a runner that is a systemd unit, before its supervisor starts and after all of it has ended.

Each is a program of its own, run by its file with ``python -I -S -B`` and the standard library alone. Paths come from
the command line, which the root-owned unit file fixes; what the manager wrote is a request, and is checked as one.
"""
