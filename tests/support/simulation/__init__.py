"""A host and a GitHub in virtual time, for the real engine and store: what happens there follows from one seed.

``schedule`` lets one actor run at a time and chooses which; ``github``, ``host`` and ``packages`` are the world, each
with what a manager's process sees of it; ``rules`` is what must be true; ``world`` is what happens.
"""
