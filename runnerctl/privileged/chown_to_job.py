"""``ExecStartPre=+``: gives a runner's directory to the user that its unit got, and makes the unit's live directory.

The manager has built the directory and asks by ``request.json``; it may be anybody's tool by now. So its files are
opened with its own rights, and nothing is given away but what is the manager's, by descriptors and never by names.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from contextlib import suppress

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(1, os.path.dirname(os.path.dirname(sys.path[0])))

from places import IDENTITY, LIVE_DIR, MANAGER_DIR, OWN_DIRECTORIES, Acting, Places, Refused

from runnerctl.supervisor import own_files

_ANYTHING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_TOKEN = 1024
_NUMBERS = {
    "restart": ("seconds", "limit"),
    "stop": ("interrupt_seconds", "terminate_seconds", "kill_seconds", "shutdown_grace", "settle_seconds"),
    "log": ("max_bytes", "keep"),
    "priority": ("nice", "oom_score_adj"),
}


def main(arguments: list[str]) -> int:
    places = Places(arguments)
    try:
        places.check_machine()
        request = places.request()
        if request.get("only_back") is True:
            raise Refused("Its files are only reclaimed")
        _make_directories(places)
        root, uid = places.root(request.get("name")), places.job_user()
        launch = _launch(places, request, root, uid)
        _chown_to_job(places, places.open_root(request.get("name")), uid)
        if launch["configure"] is not None:
            _hand_on_token(places)
        _write(f"{places.live_dir}/launch.json", launch)
    except (Refused, OSError) as exc:
        reason = str(exc) if isinstance(exc, Refused) else f"{exc.filename or places.run_dir}: {exc.strerror}"
        with suppress(OSError):
            _write(f"{places.live_dir}/error", {"error": reason}, mode=0o640, group=places.manager_group)
        print(f"Runner {places.life} is not started: {reason}", file=sys.stderr)
        return 1
    return 0


def _make_directories(places: Places) -> None:
    """The live one anew: what an earlier start left was taken away, or is not worth keeping."""
    for directory in (LIVE_DIR, MANAGER_DIR):
        os.makedirs(directory, mode=0o755, exist_ok=True)
    if os.stat(MANAGER_DIR, follow_symlinks=False).st_uid == 0:  # no server has made it yet
        os.chown(MANAGER_DIR, places.manager, places.manager_group)
        os.chmod(MANAGER_DIR, 0o750)  # noqa: S103 - for supervisors, too, which are of its group
    shutil.rmtree(places.live_dir, ignore_errors=True)
    os.mkdir(places.live_dir, 0o700)
    os.chown(places.live_dir, 0, places.manager_group)
    os.chmod(places.live_dir, 0o2750)  # noqa: S103 - what the supervisor writes is of the manager's group, too


def _launch(places: Places, request: dict[str, object], root: str, uid: int) -> dict[str, object]:
    """What the supervisor is told: built from the request's values, never the request itself."""
    environment = request.get("env")
    if not isinstance(environment, dict) or not all(isinstance(value, str) for value in environment.values()):
        raise Refused("The request's environment is not understood")
    return {
        "id": places.life,
        "name": request["name"],
        "root": root,
        "argv": [f"{root}/bin/Runner.Listener", "run", "--startuptype", "service"],
        "env": environment,
        "configure": _configure(request),
        "ephemeral": request.get("ephemeral") is True,
        "user": {"uid": uid, "gid": uid, "groups": places.job_groups()},
        "groups": [places.manager_group, uid],
        "events": f"{MANAGER_DIR}/events.sock",
        "drain_file": f"{MANAGER_DIR}/drain-{places.life}",
        "lease_file": f"{MANAGER_DIR}/lease-{places.life}" if request.get("leased") is True else None,
        **{part: _numbers(request, part, names) for part, names in _NUMBERS.items()},
    }


def _numbers(request: dict[str, object], part: str, names: tuple[str, ...]) -> dict[str, float]:
    given = request.get(part)
    if not isinstance(given, dict):
        raise Refused(f"The request lacks {part!r}")
    numbers = {name: given[name] for name in names if name in given}
    if not all(isinstance(value, int | float) and 0 <= value < 1e12 for value in numbers.values()):
        raise Refused(f"The request's {part!r} are no numbers")
    return numbers


def _configure(request: dict[str, object]) -> dict[str, object] | None:
    """What ``config.sh`` is told and how long it may take, if it is that which is to run."""
    given = request.get("configure")
    if given is None:
        return None
    arguments = given.get("arguments") if isinstance(given, dict) else None
    if not isinstance(arguments, list) or not arguments or not all(isinstance(each, str) for each in arguments):
        raise Refused("The request's arguments of config.sh are not understood")
    return {"arguments": arguments, **_numbers(request, "configure", ("seconds",))}


def _hand_on_token(places: Places) -> None:
    """The registration token, for the supervisor alone: in memory, as all below ``/run``."""
    with Acting(places):
        descriptor = os.open(f"{MANAGER_DIR}/token-{places.life}", _ANYTHING)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Refused("The registration token is not in a file")
        token = stream.read(_MOST_TOKEN)
    descriptor = os.open(f"{places.live_dir}/token", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(token)


def _chown_to_job(places: Places, directory: int, uid: int) -> None:
    try:
        if os.fstat(directory).st_uid != places.manager:
            raise Refused("The runner's directory is not the manager's")
        for name in OWN_DIRECTORIES + IDENTITY:
            _give(directory, name, places.manager, uid)
        # The supervisor, which has less rights than we do, puts its own there before anything of the job's runs.
        own_files.clear(f"/proc/self/fd/{directory}/.")  # this very one
        # The job may add to it; the sticky bit keeps it from replacing what is the manager's.
        os.fchown(directory, -1, uid)
        os.fchmod(directory, 0o1770)
    finally:
        os.close(directory)


def _give(directory: int, name: str, manager: int, uid: int) -> None:
    try:
        descriptor = os.open(name, _ANYTHING, dir_fd=directory)
    except FileNotFoundError:
        return
    try:
        found = os.fstat(descriptor)
        plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
        if found.st_uid not in (manager, uid) or not (plain or stat.S_ISDIR(found.st_mode)):
            raise Refused(f"{name!r} in the runner's directory is not what the manager makes")
        os.fchown(descriptor, uid, uid)
        if name == OWN_DIRECTORIES[0]:
            os.fchmod(descriptor, 0o750)  # the supervisor looks there for traces of a job
    finally:
        os.close(descriptor)


def _write(path: str, document: dict[str, object], *, mode: int = 0o600, group: int = 0) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(document, stream)
        os.fchown(descriptor, 0, group)
        os.fchmod(descriptor, mode)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
