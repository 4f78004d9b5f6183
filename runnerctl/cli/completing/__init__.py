"""Tab completion: Click's machinery, mended for what it gets wrong, on a table of words instead of the commands.

A shell's script (``completions/``, made of the templates here) starts the program with ``_RUNNERCTL_COMPLETE`` set;
the answer goes to standard output. Commands are not imported: ``words.py`` is made of them by ``make generate``. What
cannot be found out is not offered, and nothing is ever said on standard error.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .shells import Shell

SHELLS = ("bash", "zsh", "fish")


def answer(instruction: str) -> int:
    """What a shell asked by ``bash_complete`` or ``bash_source``; the exit status. Never fails, and never talks."""
    name, _, question = instruction.partition("_")
    if name not in SHELLS or question not in {"complete", "source"}:
        return 1
    try:
        shell = of(name)
        text = shell.source() if question == "source" else shell.complete()
        os.write(1, text.encode(errors="replace"))
    except Exception:  # noqa: S110 - somebody is typing: a message would land in the middle of their line
        pass
    return 0


def of(name: str) -> Shell:
    """The shell of that name, with the commands it completes."""
    from importlib import import_module

    from .tree import root

    made: Shell = import_module(f".{name}", __package__).SHELL(root(), {}, "runnerctl", "_RUNNERCTL_COMPLETE")
    return made
