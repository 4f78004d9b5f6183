"""A command that is forked from a process that has imported runnerctl is as one whose interpreter was started."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import warm
from tests.support.hosts.host import Host, until


def started(host: Host, *argv: str, input: str | None) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "runnerctl", *argv]
    given: dict[str, Any] = {"env": host.environment(), "cwd": host.top, "text": True, "timeout": 60}
    done = subprocess.run(command, input=input, capture_output=True, check=False, **given)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("argv", "input"),
    [
        (("list",), None),
        (("--output", "json", "status", "nobody"), None),
        (("create",), None),
        (("config", "validate"), None),
        (("remove", "--all"), "n\n"),
        (("--version",), None),
        (("no-such-command",), None),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_it_ends_alike_and_says_the_same(host: Host, argv: tuple[str, ...], input: str | None) -> None:
    forked = warm.run(*argv, env=host.environment(), cwd=host.top, input=input, timeout=60)
    assert (forked.returncode, forked.stdout, forked.stderr) == started(host, *argv, input=input)


@contextmanager
def serving(host: Host, *, forked: bool) -> Iterator[subprocess.Popen[str]]:
    """A command that lasts."""
    argv = ("serve",)
    given: dict[str, Any] = {"env": host.environment(), "cwd": host.top, "stdout": subprocess.PIPE}
    command = [sys.executable, "-m", "runnerctl", *argv]
    with warm.start(*argv, **given) if forked else subprocess.Popen(command, text=True, **given) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


def visible(process: subprocess.Popen[str]) -> dict[str, object]:
    """What others see of it."""
    proc = Path(f"/proc/{process.pid}")
    words = {name: sorted((proc / name).read_bytes().rstrip(b"\0").split(b"\0")) for name in ("cmdline", "environ")}
    return {
        **words,
        "cwd": (proc / "cwd").readlink(),
        "streams": {int(fd.name) for fd in (proc / "fd").iterdir()} & {0, 1, 2},
    }


def test_it_looks_alike_from_outside(host: Host) -> None:
    seen = []
    for forked in (True, False):
        with serving(host, forked=forked) as process:
            seen.append(visible(process))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda each: each.name)
def test_a_signal_ends_it_alike(host: Host, number: signal.Signals) -> None:
    statuses = set()
    for forked in (True, False):
        with serving(host, forked=forked) as process:
            process.send_signal(number)
            statuses.add(process.wait(timeout=60))
    assert len(statuses) == 1


def test_one_that_ended_long_ago_is_told_of_once_it_is_asked(host: Host) -> None:
    given: dict[str, Any] = {"env": host.environment(), "cwd": host.top, "stdout": subprocess.DEVNULL}
    with warm.start("list", **given) as process:
        until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z")
        assert (process.poll(), process.wait(), process.returncode) == (0, 0, 0)
        assert not Path(f"/proc/{process.pid}").exists()
