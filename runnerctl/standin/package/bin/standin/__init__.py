"""A stand-in for GitHub's runner: same command line, calls, lines, files, signals and exit codes.

Standard library only, and no heavy part of it (asyncio, email, http, typing): dozens start at once on two cores.
For the same reason no ``__init__.py`` here imports anything, and what a rare command alone needs is imported by it.

``listener`` and ``worker`` are the runner's two programs, ``configuring`` is what ``config.sh`` has the first one do.
What only one of them uses lies with it; what they share is here, in ``github`` and in ``host``.
"""
