"""Where things are, from the command line that the unit file fixes, and whose they are."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import stat
from pathlib import Path

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.host.trusted_paths import refuse_untrusted
from runnerctl.supervisor import machine

LIVE_DIR = "/run/runnerctl-runners"
"""Root's own: ``<id>/`` holds a running unit's record, log and FIFO, which the manager may read."""
MANAGER_DIR = "/run/runnerctl"
"""The manager's: where it hears, and says that a runner is to end after its job."""
OWN_DIRECTORIES = ("_diag", "home", "tmp")
IDENTITY = (".runner", ".credentials", ".credentials_rsaparams")

_ID = re.compile(r"[a-z0-9]{4,32}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_DYNAMIC = "/run/systemd/dynamic-uid/direct:rc-"
_DYNAMIC_UIDS = range(61184, 65520)
"""https://systemd.io/UIDS-GIDS/"""
_MOST = 64 * 1024
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Refused(Exception):
    """Nothing is done; the message tells the operator why."""


class Places:
    """``ID --base-dir DIR --state-dir DIR --manager USER [--groups NAME,NAME]``."""

    def __init__(self, arguments: list[str]) -> None:
        life, *options = arguments
        given = dict(zip(options[::2], options[1::2], strict=True))
        if not _ID.fullmatch(life) or set(given) - {"--groups"} != {"--base-dir", "--state-dir", "--manager"}:
            raise Refused("Usage: ID --base-dir DIR --state-dir DIR --manager USER [--groups NAME,NAME]")
        self.life = life
        self.base_dir = given["--base-dir"]
        self.state_dir = given["--state-dir"]
        self.run_dir = f"{self.state_dir}/runners/{life}"
        """The manager's: its request, and later the log that stays."""
        self.live_dir = f"{LIVE_DIR}/{life}"
        try:
            manager = pwd.getpwnam(given["--manager"])
        except KeyError:
            raise Refused(f"There is no user {given['--manager']!r}") from None
        self.manager = manager.pw_uid
        self.manager_group = manager.pw_gid
        self._groups = [name for name in given.get("--groups", "").split(",") if name]

    def job_groups(self) -> list[int]:
        """What jobs may use beside what is theirs; never what would give them root's files or the manager's."""
        try:
            ids = [int(name) if name.isdigit() else grp.getgrnam(name).gr_gid for name in self._groups]
        except KeyError as exc:
            raise Refused(f"A group that jobs are to have is not there: {exc}") from exc
        if set(ids) & {0, self.manager_group}:
            raise Refused("Jobs never get root's group or the manager's")
        return ids

    def request(self) -> dict[str, object]:
        """The manager's, opened with the manager's rights: what it may not read is not read for it."""
        with Acting(self):
            descriptor = os.open(f"{self.run_dir}/request.json", _FILE)
        with os.fdopen(descriptor, "rb") as stream:
            text = stream.read(_MOST + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        try:
            request = json.loads(text) if len(text) <= _MOST else None
        except ValueError:
            request = None
        if not isinstance(request, dict) or request.get("id") != self.life:
            raise Refused("The request is not understood")
        return request

    def check_machine(self) -> None:
        """Refuses where the state directory was copied from another machine: a start by hand must not be one there."""
        try:
            with Acting(self):
                descriptor = os.open(f"{self.state_dir}/{machine.HOST_FILE}", _FILE)
        except FileNotFoundError:
            return  # no manager of this version has opened it yet
        with os.fdopen(descriptor, "rb") as stream:
            text = stream.read(_MOST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        try:
            told = json.loads(text)["machine"]
        except (ValueError, KeyError, TypeError):
            raise Refused("Whose the state directory is cannot be read") from None
        if told is not None and told != machine.machine_id():
            raise Refused("The state directory is of another machine (runnerctl state adopt | forget-registrations)")

    def root(self, name: object) -> str:
        """The directory of a runner of that name."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused("The request names no runner")
        return f"{self.base_dir}/{name}"

    def open_root(self, name: object) -> int:
        """The same, opened: nobody but root could lead us elsewhere, and the manager to no link."""
        path = self.root(name)
        try:
            base_dir = refuse_untrusted(Path(self.base_dir), owners=(self.manager,))
        except ConfigInvalid as exc:
            raise Refused(exc.message) from None
        above = os.open(base_dir, _DIRECTORY)
        try:
            return os.open(os.path.basename(path), _DIRECTORY, dir_fd=above)
        except OSError as exc:
            raise OSError(exc.errno, exc.strerror, path) from exc
        finally:
            os.close(above)

    def job_user(self) -> int:
        """The uid, and gid, that systemd gave to this unit for as long as it runs."""
        try:
            uid = int(os.readlink(f"{_DYNAMIC}{self.life}"))
        except (OSError, ValueError) as exc:
            raise Refused("systemd gave this unit no user of its own") from exc
        if not is_jobs(uid):
            raise Refused(f"systemd gave this unit user {uid}, who may be somebody else")
        return uid


def is_jobs(uid: int) -> bool:
    """Whether it is of those that systemd gives to units, and to nobody else."""
    return uid in _DYNAMIC_UIDS


class Acting:
    """As the manager, and back."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def __enter__(self) -> None:
        os.setgroups([])
        os.setegid(self._places.manager_group)
        os.seteuid(self._places.manager)

    def __exit__(self, *_: object) -> None:
        os.seteuid(0)
        os.setegid(0)
