"""A state directory belongs to one machine: case B3, a cloned machine."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from runnerctl import privileged
from runnerctl.sandbox import Sandbox
from tests.support.hosts.blinded import Through, machine_with_id, need

from .machine import Machine, alive, kill, until

pytestmark = pytest.mark.long

STEADY, ONCE = "steady", "once"
CODE = "state_of_another_host"
CLONE = "c10e" * 8


@pytest.fixture
def clone(machine: Machine) -> Through:
    """What turns a command into one of the cloned machine."""
    return need(machine_with_id(machine.top, CLONE))


@pytest.fixture
def running(machine: Machine) -> Machine:
    """The original, with one runner of each kind that waits for a job."""
    machine.create(STEADY, "--persistent", "--wait", "online")
    machine.create(ONCE, "--wait", "online")
    return machine


def ids(github: Sandbox) -> set[int]:
    return {runner.id for runner in github.runners()}


def crash(machine: Machine) -> None:
    """All processes at once, as a machine's that is cloned: there none of them is."""
    for pid in [*machine.supervisors(), *map(machine.listener, (STEADY, ONCE))]:
        kill(pid, signal.SIGKILL)
    until(lambda: not machine.supervisors())


@pytest.mark.persistent
def test_a_clone_starts_stops_and_deregisters_nothing(running: Machine, github: Sandbox, clone: Through) -> None:
    before, listeners = ids(github), [running.listener(STEADY), running.listener(ONCE)]
    one = running.cli("-o", "json", "list").document["items"][0]["id"]
    for argv in (
        ["reconcile"], ["create", "new", "--repo", "acme/widgets"], ["stop", STEADY], ["start", STEADY],
        ["remove", "--force", ONCE], ["serve"], ["reap", one],
    ):  # fmt: skip
        ran = running.cli(*argv, through=clone)
        assert ran.status == 2, (argv, ran)
    refused = running.cli("--output", "json", "reconcile", through=clone)
    assert refused.document["error"]["code"] == CODE
    assert "runnerctl state adopt" in refused.document["error"]["hint"]
    assert ids(github) == before
    assert all(map(alive, listeners))


@pytest.mark.persistent
def test_a_clone_may_look_and_is_told_whose_it_is(running: Machine, clone: Through) -> None:
    seen = running.cli("--output", "json", "status", STEADY, through=clone)
    assert (seen.status, seen.document["status"]) == (8, "unknown")
    assert "another machine" in seen.stderr
    listed = running.cli("--output", "json", "list", through=clone)
    assert [item["status"] for item in listed.document["items"]] == ["unknown", "unknown"]
    found = running.cli("--output", "json", "doctor", "--offline", through=clone)
    (told,) = [each for each in found.document["items"] if "another machine" in each["message"]]
    assert told["stops_serve"]


@pytest.mark.persistent
def test_adopting_goes_on_with_the_registrations_on_this_machine(
    running: Machine, github: Sandbox, clone: Through
) -> None:
    (steady,) = [runner.id for runner in github.runners() if runner.name == STEADY]
    crash(running)
    restored(running.root(STEADY))
    assert running.cli("state", "adopt", through=clone).status == 0
    assert running.cli("state", "adopt", through=clone).status == 6, "it is this machine's by now"
    until(lambda: running.cli("reconcile", ahead=600, through=clone) and STEADY in online(github))
    assert steady in ids(github), "the registration is the same"
    assert running.cli("reconcile").status == 2, "and the original is the one that is refused"
    assert running.cli("remove", STEADY, through=clone).status == 0
    assert not running.root(STEADY).exists(), "the copy is this machine's own"


def restored(root: Path) -> None:
    """The same files, each another inode: as a backup brings them."""
    copy = root.with_name("copy")
    subprocess.run(["cp", "-a", str(root), str(copy)], check=True)
    root.rename(root.with_name("of-the-other-disk"))
    copy.rename(root)


def online(github: Sandbox) -> set[str]:
    return {runner.name for runner in github.runners() if runner.status == "online"}


@pytest.mark.persistent
def test_forgetting_leaves_github_and_the_original_alone(running: Machine, github: Sandbox, clone: Through) -> None:
    before = ids(github)
    crash(running)
    assert running.cli("state", "forget-registrations", through=clone).status == 2, "it asks, and nobody can answer"
    ran = running.cli("--output", "json", "state", "forget-registrations", "--yes", through=clone)
    assert ran.status == 0, ran
    assert ran.document == {"items": [{"name": STEADY, "left": []}, {"name": ONCE, "left": []}]}
    assert ids(github) == before
    assert running.cli("--output", "json", "list", through=clone).document == {"items": []}
    assert not running.root(STEADY).exists()
    assert not list(running.base_dir.glob("*/.credentials"))
    running.cli("reconcile", ahead=600, through=clone)
    again = running.cli("create", ONCE, "--repo", "acme/widgets", through=clone)
    assert again.status == 6, "GitHub has that name, and it is the original's"
    assert ids(github) == before


@pytest.mark.persistent
def test_a_copy_that_is_older_than_identities_is_known_by_its_rows(
    running: Machine, github: Sandbox, clone: Through
) -> None:
    """Versions before this one wrote the machine's id into each row, and nothing else."""
    before = ids(github)
    (running.state_dir / "host.json").unlink()
    with closing(sqlite3.connect(running.state_dir / "runnerctl.db")) as database:
        database.execute("UPDATE runner SET host_id = ?", (Path("/etc/machine-id").read_text().strip(),))
        database.commit()
    assert running.cli("reconcile", through=clone).status == 2
    assert ids(github) == before
    assert running.cli("reconcile").status == 0, "and the original goes on"
    assert (running.state_dir / "host.json").exists()


def test_a_machine_without_an_id_owns_its_state_and_claims_it_once_it_has_one(machine: Machine) -> None:
    none, first = need(machine_with_id(machine.top, "")), machine_with_id(machine.top, CLONE)
    assert machine.cli("reconcile", through=none).status == 0
    assert machine.cli("reconcile", through=none).status == 0
    assert machine.cli("reconcile", through=first).status == 0
    refused = machine.cli("--output", "json", "reconcile")
    assert refused.document["error"]["code"] == CODE
    refused = machine.cli("reconcile", through=none)
    assert refused.status == 2
    assert "has none" in refused.stderr


def test_a_clone_hands_no_directory_to_a_unit(machine: Machine, clone: Through) -> None:
    """Somebody may start a runner's unit by hand: what root does for it refuses like all else."""
    assert machine.cli("reconcile").status == 0
    program = Path(privileged.__file__).with_name("chown_to_job.py")
    where = ["--base-dir", str(machine.base_dir), "--state-dir", str(machine.state_dir), "--manager", "root"]
    argv = [sys.executable, "-I", "-S", "-B", str(program), "abcde12345", *where]
    of_clone = subprocess.run([*clone, *argv], capture_output=True, text=True, check=False)
    assert of_clone.returncode == 1
    assert "of another machine" in of_clone.stderr
    assert "of another machine" not in subprocess.run(argv, capture_output=True, text=True, check=False).stderr
