"""A job stops, or kills, all that runs as its user: also what we start as that user, to end it or to start it again.

Where there is no cgroup that could be killed, as in most containers and with cgroups of version 1.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.host import job_users, user_processes
from tests.support.hosts.isolated import USERS, open_top, python_for_all
from tests.support.hosts.supervised import OBEDIENT, PATIENCE, Supervised, until

__all__ = ["open_top"]

HOLDS = """
import os, signal, sys
os.write(1, b"holds")
while True:
    try: os.kill(-1, int(sys.argv[1]))
    except OSError: pass
"""
NUMBERS = pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["stops", "kills"])


@contextlib.contextmanager
def job(number: signal.Signals) -> Iterator[subprocess.Popen[bytes]]:
    """Another user's process that leaves nobody of that user alone."""
    uid = USERS[0]
    argv = [str(python_for_all()), "-ISBc", HOLDS, str(int(number))]
    with subprocess.Popen(
        argv, user=uid, group=uid, extra_groups=(), cwd="/", env={}, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.read(5) == b"holds"
            yield process
        finally:
            process.kill()


@NUMBERS
def test_who_is_to_end_a_user_is_not_stopped_by_it(as_root: None, number: signal.Signals) -> None:
    uid = USERS[0]
    with job(number) as process:
        user_processes.kill_all((uid, uid), seconds=10)
        assert process.wait(timeout=PATIENCE) == -signal.SIGKILL


@NUMBERS
def test_a_supervisor_ends_such_a_job_and_itself(as_root: None, open_top: Path, number: signal.Signals) -> None:
    uid = USERS[0]
    it = Supervised(
        open_top / "made",
        OBEDIENT.replace(sys.executable, str(python_for_all())),
        user={"uid": uid, "gid": uid, "groups": []},
        stop={"interrupt_seconds": 0.2, "terminate_seconds": 0.2},
    )
    try:
        it.launch["restart"]["seconds"] = 600
        it.started()
        it.phase("listening")
        with job(number):
            it.signal(signal.SIGINT)
            assert it.ended()["reason"] is None
        assert uid not in job_users.with_processes()
    finally:
        it.close()


def test_a_start_that_such_a_job_holds_up_keeps_no_supervisor_from_its_end(as_root: None, open_top: Path) -> None:
    """Its next Listener is stopped before it is one: it is that user's by then, and has no program yet."""
    uid = USERS[0]
    it = Supervised(
        open_top / "made",
        "#!/bin/sh\nexit 2\n",
        user={"uid": uid, "gid": uid, "groups": []},
        restart={"seconds": 0.05, "limit": 100_000},
        stop={"interrupt_seconds": 0.2, "terminate_seconds": 0.2},
    )
    try:
        it.started()
        with job(signal.SIGSTOP):
            until(lambda: any("\nState:\tT" in each for each in statuses_below(it.pid)))
            it.signal(signal.SIGINT)
            assert it.ended()["reason"] is None
    finally:
        it.close()


def statuses_below(pid: int) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            text = path.read_text()
            found += [text] if f"\nPPid:\t{pid}\n" in text else []
    return found
