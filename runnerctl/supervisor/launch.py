"""``launch.json``: what the manager wants run, read once and checked."""

from __future__ import annotations

import json
import os

from jobuser import JobUser
from priority import Priority

_MAX_SIZE = 1024 * 1024


TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from confinement import Confinement


class LaunchInvalid(Exception):
    """The launch file is missing or not as agreed; the message says where."""


class Program:
    """An argument list and its complete environment."""

    __slots__ = ("argv", "environment")

    def __init__(self, part: _Part) -> None:
        self.argv = part.strings("argv")
        self.environment = part.mapping("env")


def _user(part: _Part) -> JobUser:
    return JobUser(
        uid=part.identifier("uid"),
        gid=part.identifier("gid"),
        groups=part.identifiers("groups"),
        private_tmp=part.optional("private_tmp"),
        processes=None if part.value("processes", None) is None else int(part.number("processes", 0)),
        no_new_privs=part.value("no_new_privs", True) is not False,
    )


def _confinement(part: _Part) -> Confinement:
    # Imported where it is wanted: with users of their own, jobs are kept away by those.
    from confinement import Confinement

    return Confinement(
        hidden=part.strings("hidden"),
        home=part.string("home"),
        shared=part.string("shared"),
        closed=part.any_strings("closed"),
        code=part.any_strings("code"),
        allowed=[
            *((path, False) for path in part.any_strings("readable")),
            *((path, True) for path in part.any_strings("writable")),
        ],
        links=part.any_strings("links"),
    )


class Launch:
    """One runner, as ``launch.json`` describes it. Durations are in seconds."""

    __slots__ = (
        "cgroup", "configure", "configure_seconds", "confinement", "conflict_seconds", "drain_file", "ephemeral",
        "events", "groups", "id", "interrupt_seconds", "kill_seconds", "lease_file", "limits", "listener", "log_keep",
        "log_max_bytes", "name", "owner", "pid_file", "priority", "reap", "restart_limit", "restart_seconds", "root",
        "settle_seconds", "shutdown_grace", "terminate_seconds", "user",
    )  # fmt: skip

    def __init__(self, document: object) -> None:
        part = _Part(document, "launch.json")
        self.id = part.string("id")
        self.name = part.string("name")
        self.root = part.string("root")
        self.listener = Program(part)
        self.ephemeral = part.value("ephemeral") is True
        self.pid_file = part.optional("pid_file")
        self.drain_file = part.optional("drain_file")
        self.lease_file = part.optional("lease_file")
        """A FIFO that stands for the lease's pipe."""
        self.groups = part.identifiers("groups")
        """Those of the supervisor itself, as a unit of systemd's."""
        configure = None if part.value("configure", None) is None else part.inner("configure")
        self.configure = None if configure is None else configure.strings("arguments")
        """What ``config.sh`` is told: then it is run, and no Listener."""
        self.configure_seconds = 0.0 if configure is None else configure.number("seconds", 80)
        self.events = part.optional("events")
        self.cgroup = part.optional("cgroup")
        self.limits = {} if part.value("limits", None) is None else part.mapping("limits")
        priority = part.inner("priority")
        self.priority = Priority(
            nice=int(priority.number("nice", 0)), oom_score_adj=int(priority.number("oom_score_adj", 0))
        )
        self.user = None if part.value("user", None) is None else _user(part.inner("user"))
        self.owner = os.geteuid() if self.user is None else self.user.uid
        """Whose its Listener and its Workers are."""
        self.confinement = None if part.value("confine", None) is None else _confinement(part.inner("confine"))
        self.reap = None if part.value("reap", None) is None else Program(part.inner("reap"))
        restart, stop, log = part.inner("restart"), part.inner("stop"), part.inner("log")
        self.restart_seconds = restart.number("seconds", 5)
        self.restart_limit = int(restart.number("limit", 10))
        self.conflict_seconds = restart.number("conflict_seconds", 30)
        self.interrupt_seconds = stop.number("interrupt_seconds", 30)
        self.terminate_seconds = stop.number("terminate_seconds", 10)
        self.kill_seconds = stop.number("kill_seconds", 5)
        self.shutdown_grace = stop.number("shutdown_grace", 60)
        self.settle_seconds = stop.number("settle_seconds", 0)
        self.log_max_bytes = int(log.number("max_bytes", 10 * 1024 * 1024))
        self.log_keep = int(log.number("keep", 3))


def read(path: str) -> Launch:
    """Raises ``LaunchInvalid``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            text = os.read(descriptor, _MAX_SIZE)
        finally:
            os.close(descriptor)
        return Launch(json.loads(text.decode()))
    except OSError as exc:
        raise LaunchInvalid(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise LaunchInvalid(f"{path}: {exc}") from exc


class _Part:
    """An object within the document; what it lacks is named by its full name."""

    def __init__(self, value: object, name: str) -> None:
        if not isinstance(value, dict):
            raise LaunchInvalid(f"{name} is not an object")
        self._values: dict[str, object] = value
        self._name = name

    def value(self, key: str, *default: object) -> object:
        if key not in self._values and not default:
            raise LaunchInvalid(f"{self._name} lacks {key!r}")
        return self._values.get(key, *default)

    def inner(self, key: str) -> _Part:
        return _Part(self.value(key, {}), f"{self._name}: {key}")

    def string(self, key: str) -> str:
        value = self.value(key)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a string")
        return value

    def optional(self, key: str) -> str | None:
        return None if self.value(key, None) is None else self.string(key)

    def number(self, key: str, default: float) -> float:
        value = self.value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise self._wrong(key, "a number that is not negative")
        return value

    def identifier(self, key: str) -> int:
        """A uid or gid, and never root's."""
        value = self.value(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**32 - 1:
            raise self._wrong(key, "an id above 0")
        return value

    def identifiers(self, key: str) -> list[int]:
        value = self.value(key, [])
        if not isinstance(value, list):
            raise self._wrong(key, "a list of ids")
        return [_Part({key: each}, self._name).identifier(key) for each in value]

    def strings(self, key: str) -> list[str]:
        value = self.value(key)
        if not isinstance(value, list) or not value or not all(isinstance(each, str) for each in value):
            raise self._wrong(key, "a list of strings")
        return value

    def any_strings(self, key: str) -> list[str]:
        """None at all, too; a manager of before says nothing of them."""
        return self.strings(key) if self.value(key, []) else []

    def mapping(self, key: str) -> dict[str, str]:
        value = self.value(key)
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise self._wrong(key, "an object of strings")
        return value

    def _wrong(self, key: str, wanted: str) -> LaunchInvalid:
        return LaunchInvalid(f"{self._name}: {key!r} is not {wanted}")
