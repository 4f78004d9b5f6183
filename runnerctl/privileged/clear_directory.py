"""What root does for ``sudo runnerctl orphans clear``: deletes directories of runners that the manager may not.

``--manager UID``, and on standard input a line of JSON for each: ``path``, ``inode`` (device and number, or null) and
``id``, the runner's; a line of JSON answers each: ``error`` and ``hint``, both null when it is gone.

The manager asks, and may be anybody's tool by now. So only a directory is touched that is the manager's own and is that
runner's by mark and inode; all in it is reached by descriptors, no link is followed and no mount entered.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from contextlib import suppress

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.dirname(os.path.dirname(sys.path[0])))

from pathlib import Path

from places import Refused

from runnerctl.core.backends import marks
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.host import trash

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PARENT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_ID = re.compile(r"[a-z0-9]{4,32}", re.ASCII)
_MOST = 64 * 1024


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] != "--manager" or not arguments[1].isdigit():
        sys.exit("Usage: --manager UID")
    manager = int(arguments[1])
    while line := sys.stdin.readline(_MOST):
        error, hint = _answer(line, manager)
        print(json.dumps({"error": error, "hint": hint}), flush=True)
    return 0


def _answer(line: str, manager: int) -> tuple[str | None, str | None]:
    try:
        _clear(json.loads(line), manager)
    except Refused as exc:
        return str(exc), None
    except RunnerctlError as exc:
        return exc.message, exc.hint
    except OSError as exc:
        return f"{exc.filename!r}: {exc.strerror}", None
    except (ValueError, KeyError, TypeError, AttributeError):
        return "The request is not understood", None
    return None, None


def _clear(request: dict[str, object], manager: int) -> None:
    path, life, inode = request["path"], request["id"], request["inode"]
    if not isinstance(path, str) or not os.path.isabs(path) or not _ID.fullmatch(str(life)):
        raise ValueError
    made = None if inode is None else (int(inode[0]), int(inode[1]))  # type: ignore[index]
    with suppress(FileNotFoundError):
        parent = os.open(os.path.dirname(path), _PARENT)
        try:
            _delete(parent, path, made, str(life), manager)
        finally:
            os.close(parent)


def _delete(parent: int, path: str, made: tuple[int, int] | None, life: str, manager: int) -> None:
    name = os.path.basename(path)
    directory = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        found = os.fstat(directory)
        if found.st_uid != manager or stat.S_IMODE(found.st_mode) & 0o002:
            raise Refused(f"{path!r} is not deleted: it is not the manager's own")
        whose, _ = marks.whose_open(directory, made, life)
        if whose is not marks.Whose.OURS:
            raise Refused(f"{path!r} is not deleted: it is not the directory of runner {life}, by its mark and inode")
        trash.refuse_mounts(directory, Path(path))
        try:
            trash.empty(directory, last=marks.FILE)
        except OSError as exc:
            raise Refused(f"{path!r} is not deleted: {exc.strerror}") from exc
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=parent)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
