"""Whether processes live can be asked of more of them than this process may open files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
