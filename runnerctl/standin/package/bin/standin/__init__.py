"""A stand-in for GitHub's runner: same command line, lines, files and exit codes; it executes the sandbox's jobs.

Standard library only, and of that the light half: no module here imports socket, json, re, enum or pathlib,
because fifty runners that start at once on two cores pay for each of them.
"""
