"""What was uploaded: each blob has an address that nobody guesses."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Blob:
    """One upload of a job. ``typed``: it comes as text/plain; others have no content type."""

    typed: bool
    signature: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    content: bytearray = field(default_factory=bytearray)
    uploaded: bool = False
    sealed: bool = False


class Blobs:
    """By name. The blobs of a job are forgotten with ``forget``."""

    def __init__(self) -> None:
        self._blobs: dict[str, Blob] = {}

    def open(self, name: str, *, typed: bool) -> Blob:
        return self._blobs.setdefault(name, Blob(typed=typed))

    def get(self, name: str) -> Blob | None:
        return self._blobs.get(name)

    def forget(self, job: str) -> None:
        self._blobs = {name: blob for name, blob in self._blobs.items() if not name.startswith(f"{job}/")}
