"""One booted systemd for all modules here: they are stories, told one after the other on one worker."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.support.hosts.booted import Booted, Machine, installation, require_systemd
from tests.support.hosts.installed import Service, started_github
from tests.support.places import REPOSITORY


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """With this package installed, and these tests in ``/opt/check``."""
    require_systemd()
    top = tmp_path_factory.mktemp("machine")
    check = top / "check"
    check.mkdir(mode=0o755)
    shutil.copy(REPOSITORY / "setup.cfg", check)
    shutil.copytree(REPOSITORY / "tests", check / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    made = Machine(top, {**installation(top), check: "/opt/check"})
    yield made
    made.end()


@pytest.fixture(scope="module")
def inside(machine: Machine) -> Iterator[Booted]:
    with machine.story() as booted:
        yield booted


@pytest.fixture(scope="module")
def service(inside: Booted) -> Iterator[Service]:
    """The host, not yet installed, with a GitHub on its loopback."""
    with started_github(inside) as made:
        yield made
