"""``ExecStopPost=+``: no process of the unit is left. What its jobs made goes, the rest is the manager's again, and the
log and the last word are put where they stay.

What jobs made is deleted with their own user's rights: whatever they put there, nothing else can be reached by it. What
is left of that, such as files of root that a container made, is deleted as root: by descriptors, no link is followed,
and nothing while anything is mounted there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.dirname(os.path.dirname(sys.path[0])))

from places import IDENTITY, OWN_DIRECTORIES, Acting, Places, Refused, is_jobs

from runnerctl.core.domain.errors import BackendFailed, RunnerctlError
from runnerctl.core.host import keyrings, trash
from runnerctl.supervisor import traces

_SESSION = 1
"""systemd's own keyring for this unit (``KeyringMode=private``): it goes with us."""
_KEYS_SECONDS = 0.2
"""Every stop of a unit would wait for it."""
_MOST = 512 * 1024
"""More than any supervisor writes; those of before wrote up to 300 KiB."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ANYTHING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KEPT = re.compile(r"runner\.log(\.[0-9]+)?|error|configured", re.ASCII)


def main(arguments: list[str]) -> int:
    places = Places(arguments)
    worked = _reclaim(places)
    _keep(places, _last_word(places, worked=worked))
    with suppress(FileNotFoundError):
        shutil.rmtree(places.live_dir)
    return 0


def _reclaim(places: Places) -> bool:
    """Whether a job has run in there."""
    try:
        root = places.open_root(places.request().get("name"))
    except (Refused, OSError):
        return False  # nothing that was the job's: what was has a request that is understood
    try:
        # Whose it is is told by its group, which is root's to change.
        found = os.fstat(root)
        uid = found.st_gid
        if found.st_uid != places.manager or not is_jobs(uid):
            return False
        worked = _has_worked(root)
        _as_job(uid, lambda: _delete_what_jobs_made(root, uid))
        _delete_what_is_left(root, uid, places)
        _empty_keyrings(uid)
        for name in OWN_DIRECTORIES + IDENTITY:
            _own(root, name, uid, places)
        os.fchown(root, -1, places.manager_group)
        os.fchmod(root, 0o755)
        return worked
    finally:
        os.close(root)


def _has_worked(root: int) -> bool:
    try:
        return traces.has_worked(f"/proc/self/fd/{root}/.")
    except OSError:
        return False


def _as_job(uid: int, act: Callable[[], None]) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            act()
            status = 0
        except (OSError, RunnerctlError) as exc:
            print(f"Not all of what jobs left is deleted: {exc}", file=sys.stderr)
        finally:
            os._exit(status)
    os.waitpid(pid, 0)


def _delete_what_jobs_made(root: int, uid: int) -> None:
    for name in os.listdir(root):
        found = os.stat(name, dir_fd=root, follow_symlinks=False)
        if found.st_uid != uid or name in IDENTITY:
            continue
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=root)
            continue
        trash.make_writable(name, root)
        directory = os.open(name, _DIRECTORY, dir_fd=root)
        try:
            trash.empty(directory)
        finally:
            os.close(directory)
        if name not in OWN_DIRECTORIES:
            os.rmdir(name, dir_fd=root)


def _delete_what_is_left(root: int, uid: int, places: Places) -> None:
    """What neither the manager made nor its job could delete: the manager could not either."""
    try:
        trash.refuse_mounts(root, Path(os.readlink(f"/proc/self/fd/{root}")))
    except RunnerctlError as exc:
        print(f"Not all of what jobs left is deleted: {exc}", file=sys.stderr)
        return
    for name in os.listdir(root):
        try:
            owner = os.stat(name, dir_fd=root, follow_symlinks=False).st_uid
            if owner != places.manager and not (owner == uid and name in IDENTITY):
                _delete(root, name)
        except OSError as exc:
            print(f"Not all of what jobs left in {name!r} is deleted: {exc.strerror}", file=sys.stderr)


def _empty_keyrings(uid: int) -> None:
    """systemd gives that user to another unit some day, and leaves it what the kernel keeps for it."""
    try:
        keyrings.clear(uid, uid, alive=_SESSION, seconds=_KEYS_SECONDS)
    except BackendFailed as exc:
        print(exc.message, file=sys.stderr)


def _delete(root: int, name: str) -> None:
    """Directories of the runner's own are only emptied."""
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=root)
    except NotADirectoryError:
        os.unlink(name, dir_fd=root)
        return
    try:
        trash.empty(directory)
    finally:
        os.close(directory)
    if name not in OWN_DIRECTORIES:
        os.rmdir(name, dir_fd=root)


def _own(root: int, name: str, uid: int, places: Places) -> None:
    """The manager's again; what jobs put in its place, such as a link, is theirs and goes."""
    try:
        descriptor = os.open(name, _ANYTHING, dir_fd=root)
    except OSError:
        with suppress(OSError):
            os.unlink(name, dir_fd=root)
        return
    try:
        found = os.fstat(descriptor)
        if found.st_uid == uid and (stat.S_ISDIR(found.st_mode) or found.st_nlink == 1):
            os.fchown(descriptor, places.manager, places.manager_group)
            os.fchmod(descriptor, 0o700 if stat.S_ISDIR(found.st_mode) else 0o600)
    finally:
        os.close(descriptor)


def _last_word(places: Places, *, worked: bool) -> dict[str, object] | None:
    """The supervisor's; in its stead, if it died before it could say one. None if none ever ran."""
    try:
        record = _read(f"{places.live_dir}/supervisor.json")
    except (FileNotFoundError, ValueError):
        return None
    if record.get("ended") is True:
        return record
    done = worked or bool(record.get("jobs_run"))
    ephemeral = _read(f"{places.live_dir}/launch.json").get("ephemeral") is True
    outcome = "completed" if done and ephemeral else "stopped" if record.get("stop_asked") else "failed"
    reason = None if outcome != "failed" else "Its supervisor was killed"
    return {
        **record, "ended": True, "phase": "exited", "job": None, "listener": None, "jobs_run": int(done),
        "outcome": outcome, "reason": reason,
    }  # fmt: skip


def _keep(places: Places, record: dict[str, object] | None) -> None:
    """In the manager's run directory, with its rights."""
    kept: dict[str, bytes] = {}
    with suppress(FileNotFoundError):
        for name in filter(_KEPT.fullmatch, os.listdir(places.live_dir)):
            with open(f"{places.live_dir}/{name}", "rb") as stream:
                kept[name] = stream.read()
    if record is not None:
        kept["supervisor.json"] = json.dumps(record).encode()
    with Acting(places), suppress(FileNotFoundError):
        directory = os.open(places.run_dir, _DIRECTORY)
        try:
            for name, content in kept.items():
                _put(directory, name, content)
        finally:
            os.close(directory)


def _put(directory: int, name: str, content: bytes) -> None:
    new = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(new, dir_fd=directory)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    os.rename(new, name, src_dir_fd=directory, dst_dir_fd=directory)


def _read(path: str) -> dict[str, object]:
    """Of our own live directory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        document = json.loads(stream.read(_MOST))
    return document if isinstance(document, dict) else {}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Refused as exc:
        sys.exit(str(exc))
