"""Which machine a state directory belongs to, and whether that is this one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from runnerctl.supervisor import machine

from . import installation
from .installation import Installation

if TYPE_CHECKING:
    from ..domain.errors import StateOfAnotherHost


class Whose:
    """Of one state directory.

    ``host_ids``, those of its rows, the newest first, are asked for where no file says it: older versions wrote none.
    """

    def __init__(self, state_dir: Path, host_ids: Callable[[], list[str]]) -> None:
        self._state_dir = state_dir
        self._host_ids = host_ids

    @cached_property
    def machine(self) -> str | None:
        """This one; None if it has no id."""
        return machine.machine_id()

    @cached_property
    def _written(self) -> Installation | None:
        return installation.read(self._state_dir)

    @cached_property
    def installation(self) -> Installation | None:
        """As it is written down, or as its rows tell; None: it is nobody's yet."""
        if self._written is not None or not (self._state_dir / "runnerctl.db").exists():
            return self._written
        told = _machine_of(self._host_ids())
        return None if told is None else Installation.new(told)

    @property
    def refusal(self) -> StateOfAnotherHost | None:
        """Why nothing may be done with it here; None if it is this machine's, or nobody's yet."""
        known = self.installation
        if known is None or known.is_of(self.machine):
            return None
        return installation.refusal(self._state_dir, self.machine)

    def claim(self) -> None:
        """Writes down that it is this machine's, if it is nobody's yet. Raises ``StateOfAnotherHost``."""
        if (refused := self.refusal) is not None:
            raise refused
        if self._written is None:
            # Another machine may be quicker: what is there then counts.
            self._know(installation.claim(self._state_dir, Installation.new(self.machine)))
            if (refused := self.refusal) is not None:
                raise refused
        elif self._written.machine is None and self.machine is not None:
            self._keep(self._written._replace(machine=self.machine))  # it has got an id since

    def adopt(self) -> None:
        """This machine goes on with it."""
        known = self.installation
        self._keep(Installation.new(self.machine) if known is None else known._replace(machine=self.machine))

    def begin_anew(self) -> None:
        """What it was is another machine's; what it is from now on is this one's."""
        self._keep(Installation.new(self.machine))

    def _keep(self, mine: Installation) -> None:
        installation.replace(self._state_dir, mine)
        self._know(mine)

    def _know(self, mine: Installation) -> None:
        self.__dict__["installation"] = self.__dict__["_written"] = mine


def _machine_of(host_ids: list[str]) -> str | None:
    """Of rows, the newest first. Older versions wrote the machine's id as it is, or the host's name without one."""
    for told in host_ids[:1]:
        hashed = machine.hashed(told)
        if hashed is not None:
            return hashed
        if len(told) == 36 and told.count("-") == 4:
            return told
    return None
