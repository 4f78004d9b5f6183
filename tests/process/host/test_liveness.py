"""Whether processes live can be asked of more of them than this process may open files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runnerctl.core.host import processes
from runnerctl.core.host.liveness import Liveness

PROCESSES = 100
FILES = 64

ASK = """
import json, os, sys
from runnerctl.core.host import processes
from runnerctl.core.host.liveness import Liveness

known = [processes.identify(pid) for pid in json.loads(sys.argv[1])]
liveness = Liveness()
first = sum(map(liveness.lives, known))
print(first, flush=True)
sys.stdin.readline()
second = [known[number].pid for number in range(len(known)) if liveness.lives(known[number])]
os.close(os.open("/", os.O_RDONLY))
print(json.dumps(second))
"""


@contextmanager
def sleepers(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    running = [subprocess.Popen(["sleep", "60"]) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def test_more_processes_are_known_than_files_may_be_open() -> None:
    """Those that live, and those that died since they were asked for, whether still held or not."""
    with sleepers(PROCESSES) as running:
        pids = [process.pid for process in running]
        argv = ["sh", "-c", f'ulimit -n {FILES}; exec "$@"', "sh", sys.executable, "-c", ASK, json.dumps(pids)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
            assert asking.stdout is not None
            assert asking.stdout.readline() == f"{PROCESSES}\n"
            for process in (running[0], running[-1]):
                process.kill()
                process.wait()
            left, _ = asking.communicate("\n", timeout=20)
    assert json.loads(left) == pids[1:-1]


def opened() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_was_held_is_let_go_with_whoever_held_it() -> None:
    """A server makes another one of it with each SIGHUP."""
    with sleepers(4) as running:
        known = [processes.identify(process.pid) for process in running]
        before = opened()
        for _ in range(3):
            liveness = Liveness()
            assert all(liveness.lives(process) for process in known if process is not None)
            del liveness
        assert opened() == before


def test_of_several_one_that_died_is_told_and_the_others_live() -> None:
    with sleepers(3) as running:
        first, second, third = (process for each in running if (process := processes.identify(each.pid)) is not None)
        liveness = Liveness()
        assert liveness.all_live((first, second, third))
        running[1].kill()
        running[1].wait()
        assert not liveness.all_live((first, second, third))
        assert [liveness.lives(process) for process in (first, second, third)] == [True, False, True]
        assert liveness.all_live((first, third))
