"""The process that ``warm`` has others forked from: it imports runnerctl, and then does nothing but fork and reap."""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import pkgutil
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import runnerctl
from runnerctl.cli.main import main as runnerctl_main

_PROGRAMS = ("runnerctl.supervisor", "runnerctl.privileged", "runnerctl.standin", "runnerctl.sandbox")
"""None of what a command or a server imports."""
_LARGEST = 1 << 20


def main() -> None:
    """``sys.argv`` names the socket's descriptor."""
    asked = socket.socket(fileno=int(sys.argv[1]))
    asked.set_inheritable(False)
    _import_all()
    gc.collect()
    gc.freeze()
    while True:
        text, descriptors, _, _ = socket.recv_fds(asked, _LARGEST, 3)
        if not text:
            os._exit(0)
        wanted = json.loads(text)
        if "status" in wanted:
            asked.send(str(os.waitpid(wanted["status"], 0)[1]).encode())
            continue
        if (pid := os.fork()) == 0:
            asked.close()
            _become(wanted, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        asked.send(str(pid).encode())


def _import_all() -> None:
    for module in pkgutil.walk_packages(runnerctl.__path__, "runnerctl."):
        if not module.name.startswith(_PROGRAMS) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _become(wanted: Mapping[str, Any], descriptors: list[int]) -> NoReturn:
    status = 1
    try:
        if wanted["session"]:
            os.setsid()
        if wanted["group"] != -1:
            os.setpgid(0, wanted["group"])
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        for descriptor in descriptors:
            os.close(descriptor)
        # As one that is called at a terminal, also when the tests run in a shell's background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _open_streams()
        os.chdir(wanted["cwd"])
        _look_like(wanted["argv"], wanted["env"])
        runnerctl_main()
    except SystemExit as exc:
        status = exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _leave(status)


def _open_streams() -> None:
    """Anew: what they are decides how they are buffered."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        before = getattr(sys, name)
        lines = name == "stderr" or os.isatty(number)
        raw = open(number, f"{mode}b", closefd=False)  # noqa: SIM115 - for as long as this process lives
        stream = io.TextIOWrapper(raw, encoding=before.encoding, errors=before.errors, line_buffering=lines)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _look_like(argv: list[str], env: dict[str, str]) -> None:
    """To itself, and in ``/proc``."""
    # As an interpreter does that is started without a locale (PEP 538).
    coerced = {"LC_CTYPE": os.environ["LC_CTYPE"]} if "LC_CTYPE" in os.environ else {}
    os.environ.clear()
    os.environ.update({**env, **coerced})
    sys.argv[:] = [str(Path(runnerctl.__file__).with_name("__main__.py")), *argv[3:]]
    sys.path[0] = str(Path.cwd())
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    argv_at, argv_end, env_at, env_end = map(int, fields[45:49])
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        _write(memory, argv_at, argv_end, argv)
        _write(memory, env_at, env_end, [f"{name}={value}" for name, value in env.items()])


def _write(memory: Any, at: int, end: int, words: list[str]) -> None:
    data = b"".join(os.fsencode(word) + b"\0" for word in words)[: end - at - 1]
    memory.seek(at)
    memory.write(data.ljust(end - at, b"\0"))


def _leave(status: int) -> NoReturn:
    """As an interpreter ends: its threads, what was registered for the end, its streams."""
    import atexit

    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
