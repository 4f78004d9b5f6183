"""The supervisor: a program of its own that owns the processes of one runner.

It is run by ``python -I -S -B …/supervisor/__main__.py`` and imports nothing of runnerctl. Nothing imports it but for
``masking`` and ``own_files``, which stand alone: its modules know each other as top-level modules.
"""
