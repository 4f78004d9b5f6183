"""A stand-in for GitHub's runner: a release package of the same layout whose programs behave as the real ones do.

What it sends, prints and does is checked against records of the real runner (``tests/data/real_runner``).
"""
