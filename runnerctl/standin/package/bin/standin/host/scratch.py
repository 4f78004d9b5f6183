"""Emptying a directory that jobs have written into."""

from __future__ import annotations

import os


def clear(directory: str) -> None:
    """Delete it with all below it, as far as we may; never through a symbolic link."""
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    clear(entry.path)
                else:
                    os.unlink(entry.path)
        os.rmdir(directory)
    except OSError:
        return
