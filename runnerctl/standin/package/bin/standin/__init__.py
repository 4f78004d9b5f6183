"""A stand-in for GitHub's runner: same command line, calls, lines, files, signals and exit codes.

Standard library only, and no heavy part of it (asyncio, email, http, typing): dozens start at once on two cores.
"""
