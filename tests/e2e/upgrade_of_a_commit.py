"""``make upgrade FROM=COMMIT``: runners of that commit live, and this one is installed over it.

No part of the suite, which has no package index: what it found stands in quick tests of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.store.connection import SCHEMA_VERSION
from tests.support.hosts.booted import boot, require_systemd
from tests.support.hosts.host import SLOWNESS, until
from tests.support.hosts.installed import started_github
from tests.support.hosts.owners import ByCommands, Owner, UnderSystemd, UnderSystemdAsProcesses, WithServer
from tests.support.hosts.upgraded import GITHUB, Packages, binds

pytestmark = pytest.mark.timeout(600 * SLOWNESS)
FIVE = {"works": True, "waits": True, "loses its supervisor": True, "lasting": False, "restarted": False}
FIVE = {name.replace(" ", "-"): ephemeral for name, ephemeral in FIVE.items()}
"""Whether each is ephemeral; the first has a job."""
UNTIL_THERE_IS_A_FILE = "while [ ! -e ../../../go-on ]; do sleep 0.05; done"


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, str]:
    require_systemd()
    return binds(tmp_path_factory.mktemp("upgrade"), os.environ["UPGRADE_FROM"])


@pytest.fixture(
    params=[UnderSystemd, UnderSystemdAsProcesses, WithServer, ByCommands],
    ids=["as units", "as processes of the service", "under serve", "by hand"],
)
def owner(request: pytest.FixtureRequest, bound: dict[Path, str], tmp_path: Path) -> Iterator[Owner]:
    """On a host where the earlier commit is installed, and has made nothing yet."""
    with boot(tmp_path / "host", bound) as inside, started_github(inside, venv=GITHUB) as service:
        Packages(inside=inside).install_old()
        made: Owner = request.param(service)
        made.begin()
        yield made
        made.end()


def works(owner: Owner, name: str) -> int:
    """A job that runs until it is let go on."""
    job = owner.service.submit(name, UNTIL_THERE_IS_A_FILE)
    until(lambda: owner.seen(name)["phase"] == "busy")
    return job


def finishes(owner: Owner, name: str, job: int) -> None:
    go_on = f"{owner.base_dir}/{name}/go-on"
    owner.inside.say("touch", go_on)
    seen = owner.service.concluded(job)
    assert (seen["conclusion"], seen["runner_name"]) == ("success", name), owner.service.log(job)
    owner.inside.say("rm", "-f", go_on)


def database_version(owner: Owner) -> str:
    ask = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute('PRAGMA user_version').fetchone()[0])"
    return owner.inside.say(f"{GITHUB}/bin/python", "-c", ask, f"{owner.state_dir}/runnerctl.db").strip()


def ended_as(owner: Owner, name: str, state: str) -> bool:
    owner.look()
    return bool(owner.seen(name)["state"] == state)


def test_live_runners_are_as_they_were_after_an_upgrade_and_do_what_is_asked(owner: Owner) -> None:
    for name, ephemeral in FIVE.items():
        owner.create(name, ephemeral=ephemeral)
    owner.create("rests", ephemeral=False)
    owner.act("stop", "rests")
    owner.create("drains", ephemeral=True)
    last = works(owner, "drains")
    owner.drain("drains")
    job = works(owner, "works")
    before, lives = {name: owner.seen(name) for name in FIVE}, owner.lives()
    processes = owner.processes()
    assert len(processes) >= 14  # a supervisor and a Listener each, and two Workers
    assert database_version(owner) != str(SCHEMA_VERSION)

    # One whose job ends when the package is the new one already, and the server still the old one.
    owner.create("between", ephemeral=True)
    early = works(owner, "between")
    Packages(inside=owner.inside).replace_by_new()
    finishes(owner, "between", early)
    owner.use_the_new_package()

    after = {name: owner.seen(name) for name in FIVE}
    assert database_version(owner) == str(SCHEMA_VERSION)
    shown = ("pid", "status", "phase", "state")
    assert {name: [each[key] for key in shown] for name, each in after.items()} == {
        name: [each[key] for key in shown] for name, each in before.items()
    }
    assert processes <= owner.processes()
    until(lambda: ended_as(owner, "between", "completed"))
    assert owner.lives() == lives

    finishes(owner, "works", job)
    until(lambda: ended_as(owner, "works", "completed"))
    finishes(owner, "drains", last)
    until(lambda: ended_as(owner, "drains", "removed"))
    owner.act("remove", "waits")

    job = works(owner, "loses-its-supervisor")
    owner.inside.say("kill", "-KILL", owner.supervisor("loses-its-supervisor"))
    owner.look()
    finishes(owner, "loses-its-supervisor", job)
    until(lambda: ended_as(owner, "loses-its-supervisor", "completed"))

    finishes(owner, "lasting", works(owner, "lasting"))
    owner.act("stop", "lasting")
    for name in ("lasting", "rests"):
        owner.act("start", name)
        finishes(owner, name, works(owner, name))
    owner.act("restart", "restarted")
    assert owner.seen("restarted")["pid"] != before["restarted"]["pid"]
    for name in ("lasting", "rests", "restarted"):
        owner.act("remove", name)

    assert owner.lives() == {}
    until(lambda: owner.processes() == set())
    assert owner.inside.say("ls", owner.base_dir).split() == []
    print("\n".join(f"  {name}: pid {each['pid']}, {each['phase']}" for name, each in after.items()))  # noqa: T201
