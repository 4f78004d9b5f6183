"""Registering a persistent runner that is a unit: its ``config.sh``, as its own user, and the unit ends with it.

It is .NET, which compiles while it runs: in the server's unit, whose memory is never writable and executable at once,
the real one dies of SIGSEGV. Here it has what its Listener will have.
"""

from __future__ import annotations

import json
import os
import select
import time

import killing
import spawn
from launch import Launch

RESULT = "configured"
TOKEN = "token"  # noqa: S105 - the name of a file
_MOST_OUTPUT = 16 * 1024
_MOST_TOKEN = 1024
_LOOK_MILLISECONDS = 50


def run(launch: Launch, run_dir: str) -> bool:
    """Whether it succeeded. ``RUN_DIR/configured`` tells its exit status (None: out of time) and its last words;
    ``RUN_DIR/error`` why it could not be run.

    The token is in ``RUN_DIR/token``, which is gone before ``config.sh`` runs.
    """
    try:
        status, output = _run(launch, run_dir)
    except OSError as exc:
        _write(f"{run_dir}/error", {"error": f"{exc.filename or run_dir}: {exc.strerror}"})
        return False
    _write(f"{run_dir}/{RESULT}", {"status": status, "output": output.decode("utf-8", "replace")})
    return status == 0


def _run(launch: Launch, run_dir: str) -> tuple[int | None, bytes]:
    reader, writer = os.pipe()
    pid = spawn.spawn(
        [f"{launch.root}/config.sh", *(launch.configure or ())],
        {**launch.listener.environment, "ACTIONS_RUNNER_INPUT_TOKEN": _token(f"{run_dir}/{TOKEN}")},
        directory=launch.root,
        output=writer,
        user=launch.user,
    )
    os.close(writer)
    status, output = _attend(pid, reader, deadline=time.monotonic() + launch.configure_seconds)
    if status is None:
        # The unit ends with its last process: one that goes on would hold up systemd for its own time.
        tree = killing.Tree(launch.id, cgroup=None, user=launch.user)
        killing.kill_tree(tree, seconds=launch.kill_seconds, reap=killing.collect)
    return status, output


def _token(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        token = os.read(descriptor, _MOST_TOKEN)
    finally:
        os.close(descriptor)
    os.unlink(path)
    return token.decode()


def _attend(pid: int, reader: int, *, deadline: float) -> tuple[int | None, bytes]:
    """Its exit status and what it said last. What it leaves behind may hold its output open, and is not waited for."""
    status, output = None, b""
    waiting = select.poll()
    waiting.register(reader, select.POLLIN)
    while time.monotonic() < deadline:
        if waiting.poll(0 if status is not None else _LOOK_MILLISECONDS):
            data = os.read(reader, 4096)
            output = (output + data)[-_MOST_OUTPUT:]
            if not data:
                waiting.unregister(reader)
        elif status is not None:
            break
        if status is None:
            ended, how = os.waitpid(pid, os.WNOHANG)
            status = os.waitstatus_to_exitcode(how) if ended else None
    return status, output


def _write(path: str, document: dict[str, object]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        os.write(descriptor, json.dumps(document).encode())
    finally:
        os.close(descriptor)
