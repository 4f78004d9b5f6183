"""What the core counts and times while it works, told to whoever keeps it: a server's metrics, and else nobody."""

from __future__ import annotations


class Meter:
    """Keeps nothing. Called in any thread, often, and within others' work: whoever keeps more must be quick and never
    raise.
    """

    def github_request(self, operation: str, status: int | None, seconds: float) -> None:
        """One was sent, a try or a redirect too. ``status``: None where no answer came."""

    def step(self, kind: str, *, failed: bool, seconds: float) -> None:
        """The engine took a step for a runner."""

    def sweep(self, seconds: float) -> None:
        """Every live runner was observed once, in that time."""
