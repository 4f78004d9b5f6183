"""The actions that jobs may use: our own ``actions/checkout``, and those that lie in directories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..values import Job
from .archives import ActionArchive, checkout_archive, directory_archive

CHECKOUT = "actions/checkout"


class ActionCatalogue:
    """Any version of an action is what its directory holds now."""

    def __init__(self, directories: Mapping[str, Path]) -> None:
        self._directories = {name.lower(): directory for name, directory in directories.items()}

    def archive(self, name: str, job: Job) -> ActionArchive | None:
        """None if there is no such action. Raises OSError if its directory cannot be read, and LeadsOut."""
        directory = self._directories.get(name.lower())
        if directory is not None:
            return directory_archive(name, directory)
        return checkout_archive(job.files) if name.lower() == CHECKOUT else None
