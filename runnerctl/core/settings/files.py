"""The two files that settings are read from: an env file (``KEY=value``) and a config file (YAML)."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import IO, Any

from ..domain.errors import ConfigInvalid
from .table import BY_KEY, DEFAULT_CONFIG_FILE, DEFAULT_ENV_FILE, MAPS, STRUCTURED

_MOST_TEXT = 64 * 1024
_MOST_VALUES = 20_000
"""In a config file."""


def find_env_file(named: str | None) -> Path | None:
    """The one that counts: the named one, the system's if readable, ``./.env`` if nobody else could have written it."""
    if named is not None:
        return Path(named)
    system = Path(DEFAULT_ENV_FILE)
    if os.access(system, os.R_OK):
        return system
    here = Path(".env")
    try:
        seen = here.stat()
    except OSError:
        return None
    ours = seen.st_uid == os.geteuid() and not seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return here if ours and stat.S_ISREG(seen.st_mode) else None


def skipped_env_files(chosen: Path | None) -> list[str]:
    """Of those that are looked for where none was named: which is there and does not count, and why."""
    system, here = Path(DEFAULT_ENV_FILE), Path(".env")
    if chosen not in {None, system, here}:
        return []
    return [
        f"{path} is not read: {why}"
        for path in (system, here)
        if path != chosen and os.path.lexists(path) and (why := _why_skipped(path, chosen)) is not None
    ]


def _why_skipped(path: Path, chosen: Path | None) -> str | None:
    if path == Path(DEFAULT_ENV_FILE):
        return "this user may not read it"
    if chosen is not None:
        return f"{chosen} counts"
    try:
        seen = path.stat()
    except OSError as exc:
        return reason(exc)
    if not stat.S_ISREG(seen.st_mode):
        return "it is not a file"
    if seen.st_uid != os.geteuid():
        return "it belongs to another user"
    return f"others may write it (mode {stat.S_IMODE(seen.st_mode):04o})"


def read_env_file(path: Path) -> dict[str, str]:
    """Its variables, nothing interpolated. Raises ``ConfigInvalid`` naming file and line."""
    try:
        with path.open(encoding="utf-8") as stream:
            return parse_env_file(stream, path)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"The env file {str(path)!r} cannot be read: {reason(exc)}") from exc


def parse_env_file(stream: IO[str], path: Path) -> dict[str, str]:
    """The same of what is open already."""
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(stream):
        if binding.error:
            raise ConfigInvalid(
                f"{path}, line {binding.original.line} is not a KEY=value line", hint="Use KEY=value lines"
            )
        if binding.key is not None:
            values[binding.key] = binding.value or ""
    return values


def read_config_file(named: str | None) -> tuple[dict[str, str], str]:
    """(text by key, origin). The default file may be missing, a named one may not."""
    path = Path(named or DEFAULT_CONFIG_FILE)
    # Not Path.exists, which raises where we may not look into the directory: it is the service's then, not ours.
    if named is None and not os.path.exists(path):  # noqa: PTH110 - see above
        return {}, ""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"The config file {str(path)!r} cannot be read: {reason(exc)}") from exc
    document = _document(text, path)
    if document is None:
        return {}, ""
    return _flattened(document, path), f"config file {path}"


def _document(text: str, path: Path) -> Any:
    """The YAML's. Raises ``ConfigInvalid`` for what is none, and for more than settings can hold."""
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        place = getattr(exc, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        raise ConfigInvalid(f"{path}{line} is not YAML") from exc
    # PyYAML's own: a month 13 is a ValueError, `!!timestamp x` an AttributeError, 1,000 brackets a RecursionError.
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as exc:
        raise ConfigInvalid(f"{path} has a value that YAML cannot read", hint="Put quotes around dates") from exc
    if _is_too_much(document):
        raise ConfigInvalid(f"{path} holds more than settings can", hint="Write aliases (*name) out")
    return document


def _is_too_much(document: Any) -> bool:
    """As written out: an alias of aliases is short and means millions, one of itself never ends."""
    left, open_ = _MOST_VALUES, [document]
    while open_ and left > 0:
        value = open_.pop()
        left -= 1
        if isinstance(value, dict):
            open_.extend(value.values())
        elif isinstance(value, list | tuple | set):
            open_.extend(value)
    return bool(open_)


def _flattened(document: Any, path: Path, above: str = "") -> dict[str, str]:
    if not isinstance(document, dict):
        raise ConfigInvalid(f"{path}: {above.rstrip('.') or 'the document'} is not a mapping")
    texts: dict[str, str] = {}
    for name, value in document.items():
        key = f"{above}{name}"
        if key in BY_KEY:
            texts[key] = _text(value, key, path)
        elif any(known.startswith(f"{key}.") for known in BY_KEY):
            texts.update(_flattened(value, path, f"{key}."))
        else:
            raise ConfigInvalid(f"{path}: {key!r} is not a setting", hint="`runnerctl config show` lists them")
    return {key: text for key, text in texts.items() if text}


def _text(value: Any, key: str, path: Path) -> str:
    if value is None:
        return ""
    if key in STRUCTURED and isinstance(value, list):
        return json.dumps(value, default=str) if value else ""
    if key in MAPS and isinstance(value, dict):
        return json.dumps(value, default=str) if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, str | int | float):
        return str(value)
    raise ConfigInvalid(f"{path}: {key!r} has a value of the wrong kind")


def read_text(path: Path, what: str) -> str:
    """A small file of a setting's. Raises ``ConfigInvalid`` naming ``what`` it is and where."""
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(_MOST_TEXT)
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"The file of {what}, {str(path)!r}, cannot be read: {reason(exc)}") from exc


def reason(exc: OSError | UnicodeDecodeError) -> str:
    """The system's word for it, without the path that the message names already."""
    return exc.strerror or str(exc) if isinstance(exc, OSError) else "it is not UTF-8 text"
