"""The lowest versions that ``setup.cfg`` allows, as constraints for pip, when run as a program."""

from __future__ import annotations

import configparser
import re
import sys

from tests.support.places import REPOSITORY

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[a-z,]+\])?>=(?P<lowest>[0-9.]+)")


def constraints() -> list[str]:
    """``NAME==VERSION`` of all that the program itself needs. Raises ``ValueError`` for one without a lower bound."""
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    return [_lowest(line) for line in setup["options"]["install_requires"].split()]


def _lowest(requirement: str) -> str:
    found = _REQUIREMENT.fullmatch(requirement)
    if found is None:
        raise ValueError(f"Requirement {requirement!r} has no plain lower bound")
    return f"{found['name']}=={found['lowest']}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in constraints())
