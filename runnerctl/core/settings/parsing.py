"""What a setting's text may say, and the value that it stands for. Each raises ``ValueError`` saying what to use."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..domain import durations, names, sizes
from ..domain.errors import InvalidRequest

T = TypeVar("T")

_LEAST_MEMORY = 64 * 1024**2
_HOST_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_ANY_RUNNER = "0" * 64
"""The name of a runner that has no such label already."""


def labels(text: str) -> str:
    """Those that any runner could have, whatever its name."""
    kept = _as_a_create_would(lambda: names.labels(text, name=_ANY_RUNNER))
    return ",".join(label for label in kept if label != _ANY_RUNNER)


def version(text: str) -> str:
    return _as_a_create_would(lambda: names.runner_version(text))


def workdir(text: str) -> str:
    return _as_a_create_would(lambda: names.workdir(text))


def _as_a_create_would(check: Callable[[], T]) -> T:
    try:
        return check()
    except InvalidRequest as exc:
        said = (exc.message, exc.hint or "")
        raise ValueError("; ".join(f"{text[0].lower()}{text[1:]}" for text in said if text)) from exc


def absolute(text: str) -> Path:
    """A path that means the same for a server, a command in any directory, and what they start."""
    path = Path(text)
    if not path.is_absolute():
        raise ValueError(f"use an absolute path, such as {str(Path.cwd() / path)!r}")
    return path


def boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in {"true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off"}:
        return False
    raise ValueError("use true or false")


def positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise ValueError("use a whole number above 0")
    return number


def duration(text: str) -> float:
    try:
        return durations.seconds(text)
    except InvalidRequest as exc:
        raise ValueError("use 90, 90s, 2m or 1h") from exc


def patience(text: str) -> float:
    """A duration that is long enough to wait for anything at all."""
    seconds = duration(text)
    if seconds < 0.1:
        raise ValueError("use at least 100ms")
    return seconds


def retention(text: str) -> float:
    """How long something is kept: never so short that it could go before its runner's last step is written."""
    seconds = duration(text)
    if seconds < 60:
        raise ValueError("use at least 1m")
    return seconds


DURATIONS = frozenset({duration, patience, retention})
"""Parsers of settings that are seconds."""


def words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def backend(text: str) -> str:
    if text in {"auto", "process", "systemd"}:
        return text
    raise ValueError("use auto, process or systemd")


def log_format(text: str) -> str:
    if text in {"text", "json"}:
        return text
    raise ValueError("use text or json")


def job_users(text: str) -> tuple[str, ...]:
    from ..host import job_users  # few hosts name any

    return job_users.parse(text)


def size(text: str) -> int:
    try:
        return sizes.count(text)
    except InvalidRequest as exc:
        raise ValueError("use 1000000, 500M or 2G") from exc


def memory(text: str) -> int:
    count = size(text)
    if count < _LEAST_MEMORY:
        raise ValueError("use at least 64M: a runner alone needs about that")
    return count


def processors(text: str) -> float:
    """With at most two digits after the point."""
    number = float(text) if re.fullmatch(r"\d{1,4}(\.\d{1,2})?", text, re.ASCII) else 0.0
    if number <= 0:
        raise ValueError("use a number of processors, such as 2 or 1.5")
    return number


def between(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
            raise ValueError(f"use a whole number from {least} to {most}")
        return int(text)

    return parse


def networks(text: str) -> str:
    """Addresses and networks, and ``unix``; checked here, taken apart by the server."""
    from ipaddress import ip_network

    for word in text.split(","):
        if word.strip() != "unix":
            ip_network(word.strip(), strict=False)
    return text


def hosts(text: str) -> tuple[str, ...]:
    """Names of this server, without scheme and port."""
    names = tuple(word.lower().rstrip(".") for word in words(text))
    for name in names:
        if len(name) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in name.split(".")):
            raise ValueError("use host names such as ci.example.com, without scheme and port")
    return names


def issuer(text: str) -> str:
    from ..domain.trusted_addresses import is_trustworthy

    if is_trustworthy(text):
        return text.rstrip("/")
    raise ValueError("use an https address; http is for this machine only")


def job_env(text: str) -> dict[str, str]:
    """A JSON object of variables."""
    import json

    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ValueError('use a mapping of names to values; as JSON: {"NAME": "value"}')
    from ..domain import job_env as variables  # few hosts have any

    try:
        return variables.checked(given)
    except InvalidRequest as exc:
        raise ValueError(exc.message) from None


def cleaned(text: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(words(text)))
    if not chosen or not set(chosen) <= {"tmp", "home", "work"}:
        raise ValueError("use tmp, home, work, or several of them with commas between")
    return chosen


class AllowedPath(NamedTuple):
    path: Path
    writable: bool

    def __str__(self) -> str:
        return f"{self.path}:rw" if self.writable else str(self.path)


class AllowedPaths(tuple[AllowedPath, ...]):
    """Shown as it is written."""

    __slots__ = ()

    def __str__(self) -> str:
        return ",".join(map(str, self))


def allowed_paths(text: str) -> AllowedPaths:
    """``/srv/tools,/home/ci/.cache:rw``."""
    found = []
    for word in words(text):
        named, colon, how = word.rpartition(":")
        path = Path(named if colon and how in {"rw", "ro"} else word)
        if not path.is_absolute() or ".." in path.parts or path == Path("/"):
            raise ValueError("use absolute paths, such as /home/ci/.cargo or /home/ci/.cache:rw")
        found.append(AllowedPath(path, colon == ":" and how == "rw"))
    return AllowedPaths(found)


def workflow_rules(text: str) -> str:
    """Checked here, taken apart by the server."""
    from ..access.oidc.workflow_rules import parse  # few hosts have any

    parse(text)
    return text


def url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if (
        separator
        and scheme in {"http", "https"}
        and rest.strip("/")
        and not any(c.isspace() or c in "@?#" for c in rest)
    ):
        return text.rstrip("/")
    raise ValueError("use an http or https address without a user name and without ? or #")
