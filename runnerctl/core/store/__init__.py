"""What is known, in SQLite: runners and their history, tokens, what is still to be done."""

from __future__ import annotations

from .runners import Store

__all__ = ["Store"]
