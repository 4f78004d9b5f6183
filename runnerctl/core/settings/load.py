"""The settings in force: flag > environment > env file > config file > default, each with its origin.

Read once, at the edge; the core takes values.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..domain.errors import ConfigInvalid
from ..redact import looks_secret
from . import files as settings_files
from .table import (
    BY_VARIABLE,
    DEFAULT_BASE_DIR,
    DEFAULT_CONFIG_FILE,
    DEFAULT_ENV_FILE,
    DEFAULT_STATE_DIR,
    LOCATORS,
    MARKS,
    PREFIXES,
    SETTINGS,
    Setting,
)

SYSTEMD_CREDENTIAL = "systemd credential"
"""The origin of a secret that systemd handed to the service."""
_DIRECTORY_OF_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_CREDENTIALS = Path("/run/credentials")
APP_KEY_FILE = "app-key.pem"
"""Beside the service's env file, for root alone."""
_CREDENTIAL_OF = {"github.private_key_file": "app-key", "server.api_token_file": "api-token"}
"""https://systemd.io/CREDENTIALS; the names are those of our unit."""
_INSTEAD_OF = {
    "github.private_key_file": ("github.private_key_file", "github.private_key", "github.private_key_b64"),
    "server.api_token_file": ("server.api_token_file", "server.api_token"),
}
"""If one of these is set, the credential does not count."""


class Value(NamedTuple):
    """A setting's effective value and where it came from."""

    setting: Setting
    value: Any
    origin: str

    @property
    def shown(self) -> str:
        """For people: a secret is masked."""
        if self.value is None:
            return ""
        if self.setting.secret:
            return "********"
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return f"{self.value:g}" if isinstance(self.value, float) else str(self.value)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is in force. ``values`` holds every setting by key; the properties name those the core reads."""

    values: Mapping[str, Value]
    warnings: tuple[str, ...] = ()
    env_file: Path | None = None
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Only what a re-reading needs: directories and file locations, never secrets."""

    def get(self, key: str) -> Any:
        return self.values[key].value

    def origin(self, key: str) -> str:
        return self.values[key].origin

    @property
    def state_dir(self) -> Path:
        return Path(self.get("state_dir"))

    @property
    def base_dir(self) -> Path:
        return Path(self.get("defaults.base_dir"))

    @property
    def package_dir(self) -> Path:
        chosen = self.get("package_dir")
        return Path(chosen) if chosen else self.base_dir / ".packages"

    @property
    def github_urls(self) -> tuple[str, str]:
        """(API, server). Where only one was named and it is not github.com's, the other follows from it."""
        api, server = self.get("github.api_url"), self.get("github.server_url")
        api_named, server_named = (self.origin(key) != "default" for key in ("github.api_url", "github.server_url"))
        if api_named and not server_named:
            return api, _server_of(api)
        if server_named and not api_named:
            return _api_of(server), server
        return api, server

    def files_of_ours(self) -> tuple[Path, ...]:
        """What no job has any business with: state, other runners, keys, tokens, settings."""
        keys = ("github.private_key_file", "server.api_token_file", "server.tls_key")
        named = (*map(self.get, keys), self.environ.get("RUNNERCTL_CONFIG"))
        files = [Path(each) for each in named if each] + ([self.env_file] if self.env_file else [])
        standard = [Path(DEFAULT_CONFIG_FILE).parent]
        if _CREDENTIALS.is_dir():
            standard.append(_CREDENTIALS)
        return tuple(path.absolute() for path in (self.state_dir, self.base_dir, self.package_dir, *standard, *files))

    @property
    def start_timeout(self) -> float:
        return float(self.get("start_timeout"))


def _server_of(api: str) -> str:
    if api.endswith("/api/v3"):
        return api.removesuffix("/api/v3")
    return api.replace("://api.", "://", 1)


def _api_of(server: str) -> str:
    scheme, _, host = server.partition("://")
    # Data residency follows github.com: https://api.HOST. See contract: REST base URLs.
    if host in {"github.com", "www.github.com"} or host.endswith(".ghe.com"):
        return f"{scheme}://api.{host.removeprefix('www.')}"
    return f"{server}/api/v3"


def load(
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    env_file: str | None = None,
) -> Settings:
    """Reads all sources. ``flags`` are by key. Raises ``ConfigInvalid`` naming the setting and its origin."""
    environ = os.environ if environ is None else environ
    chosen_env_file = settings_files.find_env_file(env_file or environ.get("RUNNERCTL_ENV_FILE") or None)
    env_file_values = settings_files.read_env_file(chosen_env_file) if chosen_env_file else {}
    config_file = environ.get("RUNNERCTL_CONFIG") or env_file_values.get("RUNNERCTL_CONFIG") or None
    config_values, config_origin = settings_files.read_config_file(config_file)
    sources = (
        (_by_key(environ, "environment"), "environment"),
        (_by_key(env_file_values, f"env file {chosen_env_file}"), f"env file {chosen_env_file}"),
    )
    values: dict[str, Value] = {}
    for setting in SETTINGS:
        raw, origin = setting.default, "default"
        if flags and flags.get(setting.key) is not None:
            raw, origin = flags[setting.key], "flag"
        else:
            for found, name in sources:
                if setting.key in found:
                    variable, raw = found[setting.key]
                    origin = f"{name}: {variable}"
                    break
            else:
                if setting.key in config_values:
                    raw, origin = config_values[setting.key], config_origin
        values[setting.key] = _parsed(setting, raw, origin)
    warnings = (*_unknown(environ, "environment"), *_unknown(env_file_values, str(chosen_env_file)))
    kept = {name: environ[name] for name in (*LOCATORS, _DIRECTORY_OF_CREDENTIALS) if environ.get(name)}
    _take_credentials(values, environ)
    _take_roots_key(values, chosen_env_file)
    return Settings(values=_at_home(values, environ), warnings=warnings, env_file=chosen_env_file, environ=kept)


def _by_key(variables: Mapping[str, str], source: str) -> dict[str, tuple[str, str]]:
    """Key → (variable, text) for what is set; two names of one setting must agree."""
    found: dict[str, tuple[str, str]] = {}
    for setting in SETTINGS:
        for variable in setting.variables:
            text = variables.get(variable)
            if not text:
                continue
            first = found.setdefault(setting.key, (variable, text))
            if first[1] != text:
                raise ConfigInvalid(
                    f"{first[0]} and {variable} name the same setting and differ ({source})", hint="Keep one of them"
                )
    return found


def _parsed(setting: Setting, raw: str | None, origin: str) -> Value:
    if raw is None:
        return Value(setting=setting, value=None, origin="default")
    try:
        value = setting.parse(raw.strip())
    except ValueError as exc:
        shown = "" if setting.secret else f" {raw!r}"
        raise ConfigInvalid(f"{setting.key}{shown} cannot be used ({origin}): {exc}") from exc
    if not setting.secret and looks_secret(raw):
        raise ConfigInvalid(
            f"{setting.key} holds what looks like a secret ({origin})",
            hint="Its value is no secret to anybody: is another setting meant?",
        )
    return Value(setting=setting, value=value, origin=origin)


def _take_credentials(values: dict[str, Value], environ: Mapping[str, str]) -> None:
    """Files that systemd gave us are the defaults of their settings; blank ones stand for files that are not there."""
    directory = environ.get(_DIRECTORY_OF_CREDENTIALS)
    if not directory:
        return
    for key, name in _CREDENTIAL_OF.items():
        path = Path(directory, name)
        if all(values[each].value is None for each in _INSTEAD_OF[key]) and _says_something(path):
            values[key] = Value(setting=values[key].setting, value=str(path), origin=SYSTEMD_CREDENTIAL)


def _take_roots_key(values: dict[str, Value], env_file: Path | None) -> None:
    """What systemd hands to the service, root may read: now, as it is the manager when the key is used."""
    path = Path(DEFAULT_ENV_FILE).with_name(APP_KEY_FILE)
    wanted = env_file == Path(DEFAULT_ENV_FILE) and values["github.app_id"].value is not None
    others = _INSTEAD_OF["github.private_key_file"]
    if wanted and os.geteuid() == 0 and all(values[key].value is None for key in others):
        text = _said_in(path)
        if text:
            setting = values["github.private_key"].setting
            values[setting.key] = Value(setting=setting, value=text, origin=str(path))


def _says_something(path: Path) -> bool:
    return bool(_said_in(path))


def _said_in(path: Path) -> str:
    """Empty, too, for what cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _unknown(variables: Mapping[str, str], source: str) -> list[str]:
    """A sentence for each variable with our prefix that means nothing."""
    unknown = [
        name
        for name in variables
        if name.startswith(PREFIXES) and name not in BY_VARIABLE and name not in LOCATORS and name not in MARKS
    ]
    return [f"{name} is not a setting of runnerctl ({source}){_suggestion(name)}" for name in sorted(unknown)]


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, [*BY_VARIABLE, *LOCATORS], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def built_in(key: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """A directory that nobody named, and its origin: the user's own where only root could make the standard one."""
    default, variable, fallback, tail = _BUILT_IN[key]
    if os.geteuid() == 0 or Path(default).exists():
        return default, "default"
    top = environ.get(variable) or str(Path(environ.get("HOME") or "~").expanduser() / fallback)
    return str(Path(top) / tail), f"default ({variable})"


_BUILT_IN = {
    "state_dir": (DEFAULT_STATE_DIR, "XDG_STATE_HOME", ".local/state", "runnerctl"),
    "defaults.base_dir": (DEFAULT_BASE_DIR, "XDG_DATA_HOME", ".local/share", "runnerctl/runners"),
}


def _at_home(values: dict[str, Value], environ: Mapping[str, str]) -> dict[str, Value]:
    for key in _BUILT_IN:
        if values[key].origin == "default":
            value, origin = built_in(key, environ)
            values[key] = Value(setting=values[key].setting, value=value, origin=origin)
    return values
