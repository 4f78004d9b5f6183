"""The settings in force: flag > environment > env file > config file > default, each with its origin.

Read once, at the edge; the core takes values.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ..domain.errors import ConfigInvalid
from ..http.settings import HttpSettings
from ..redact import looks_secret
from . import files as settings_files
from .table import (
    BY_VARIABLE,
    DEFAULT_CONFIG_FILE,
    DEFAULT_ENV_FILE,
    LOCATORS,
    MAPS,
    MARKS,
    OF_LAUNCHES,
    PREFIXES,
    REMOTE,
    SETTINGS,
    AuditSection,
    DefaultsSection,
    GithubSection,
    HostSection,
    LimitsSection,
    OidcSection,
    ServerSection,
    StopSection,
)
from .typed import Setting, Value

SYSTEMD_CREDENTIAL = "systemd credential"
"""The origin of a secret that systemd handed to the service."""
_DIRECTORY_OF_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_CREDENTIALS = Path("/run/credentials")
_FOLLOWS = "follows from "
"""Begins the origin of what nobody named."""
APP_KEY_FILE = "app-key.pem"
"""Beside the service's env file, for root alone."""
APP_KEYS = (GithubSection.private_key_file, GithubSection.private_key, GithubSection.private_key_b64)
"""At most one of them is set."""
_CREDENTIAL_OF = ((GithubSection.private_key_file, "app-key"), (ServerSection.api_token_file, "api-token"))
"""https://systemd.io/CREDENTIALS; the names are those of our unit."""
_INSTEAD_OF: dict[str, tuple[Setting[Any], ...]] = {
    GithubSection.private_key_file.key: APP_KEYS,
    ServerSection.api_token_file.key: (ServerSection.api_token_file, ServerSection.api_token),
}
"""If one of these is set, the credential does not count."""


@dataclass(frozen=True, kw_only=True)
class Settings(HostSection):
    """What is in force: ``settings.stop.interrupt`` has the key ``stop.interrupt``. ``values`` has all of it by key."""

    values: Mapping[str, Value]
    warnings: tuple[str, ...] = ()
    env_file: Path | None = None
    remote: str | None = None
    """The variable that names another server for commands to ask, and where it is set."""
    http: HttpSettings = field(default_factory=HttpSettings)
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Only what a re-reading needs: directories, file locations and what shapes a start of a runner, never secrets."""

    @cached_property
    def github(self) -> GithubSection:
        return GithubSection(self.values)

    @cached_property
    def server(self) -> ServerSection:
        return ServerSection(self.values)

    @cached_property
    def oidc(self) -> OidcSection:
        return OidcSection(self.values)

    @cached_property
    def audit(self) -> AuditSection:
        return AuditSection(self.values)

    @cached_property
    def defaults(self) -> DefaultsSection:
        return DefaultsSection(self.values)

    @cached_property
    def limits(self) -> LimitsSection:
        return LimitsSection(self.values)

    @cached_property
    def stop(self) -> StopSection:
        return StopSection(self.values)

    def origin(self, setting: Setting[Any]) -> str:
        return self.values[setting.key].origin

    def is_named(self, setting: Setting[Any]) -> bool:
        """Whether anybody chose its value: it is no default, and follows from no other setting."""
        return not self.origin(setting).startswith(("default", _FOLLOWS))

    @property
    def base_dir(self) -> Path:
        return self.defaults.base_dir

    @property
    def github_urls(self) -> tuple[str, str]:
        """(API, server)."""
        return self.github.api_url, self.github.server_url

    def files_of_ours(self) -> tuple[Path, ...]:
        """What no job has any business with: state, other runners, keys, tokens, settings."""
        config = self.environ.get("RUNNERCTL_CONFIG")
        keys = (self.github.private_key_file, self.server.api_token_file, self.server.tls_key)
        named = [each for each in (*keys, config and Path(config), self.env_file) if each]
        # Who wants no env file names /dev/null, which every job needs.
        files = [each for each in named if not _is_device(each)]
        standard = [Path(DEFAULT_CONFIG_FILE).parent]
        if _CREDENTIALS.is_dir():
            standard.append(_CREDENTIALS)
        return tuple(path.absolute() for path in (self.state_dir, self.base_dir, self.package_dir, *standard, *files))


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(path.stat().st_mode)
    except (OSError, ValueError):  # where we may not look, it is no device
        return False


def _derive(values: dict[str, Value]) -> None:
    """What is in force although nobody set it, since it follows from another setting."""
    api, server = values[GithubSection.api_url.key], values[GithubSection.server_url.key]
    if api.origin != "default" and server.origin == "default":
        # Where only one was named and it is not github.com's, the other is not github.com either.
        _follow(values, server.setting, _server_of(api.value), api.setting)
    elif server.origin != "default" and api.origin == "default":
        _follow(values, api.setting, _api_of(server.value), server.setting)
    if values[HostSection.package_dir.key].value is None:
        base_dir = values[DefaultsSection.base_dir.key]
        _follow(values, HostSection.package_dir, base_dir.value / ".packages", base_dir.setting)


def _follow(values: dict[str, Value], setting: Setting[Any], value: object, named: Setting[Any]) -> None:
    if value != values[setting.key].value:
        values[setting.key] = Value(setting=setting, value=value, origin=f"{_FOLLOWS}{named.key}")


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
    passed_on = (*LOCATORS, _DIRECTORY_OF_CREDENTIALS, *(name for each in OF_LAUNCHES for name in each.variables))
    kept = {name: environ[name] for name in passed_on if environ.get(name)}
    _take_credentials(values, environ)
    _take_roots_key(values, chosen_env_file)
    _at_home(values, environ)
    _derive(values)
    return Settings(
        values=values,
        warnings=warnings,
        env_file=chosen_env_file,
        remote=_remote(environ, "environment") or _remote(env_file_values, str(chosen_env_file)),
        http=HttpSettings.read(environ, env_file_values),
        environ=kept,
    )


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


def _check_no_secret(setting: Setting[Any], raw: str, origin: str) -> None:
    if not setting.secret and looks_secret(raw):
        raise ConfigInvalid(
            f"{setting.key} holds what looks like a secret ({origin})",
            hint="Everybody can see this setting. Put the secret into the setting it belongs to",
        )


def _parsed(setting: Setting[Any], raw: str | None, origin: str) -> Value:
    if raw is None:
        return Value(setting=setting, value=None, origin="default")
    if setting.key not in MAPS:  # first: what cannot be used is quoted; of a map the parser names the variable
        _check_no_secret(setting, raw, origin)
    try:
        value = setting.parse(raw.strip())
    except ValueError as exc:
        # What is in a map is named by its parser: all of it would hide that, and may hold what is none of ours to show.
        shown = "" if setting.secret or setting.key in MAPS else f" {raw!r}"
        raise ConfigInvalid(f"{setting.key}{shown} cannot be used ({origin}): {exc}") from exc
    return Value(setting=setting, value=value, origin=origin, raw=raw.strip())


def _take_credentials(values: dict[str, Value], environ: Mapping[str, str]) -> None:
    """Files that systemd gave us are the defaults of their settings; blank ones stand for files that are not there."""
    directory = environ.get(_DIRECTORY_OF_CREDENTIALS)
    if not directory:
        return
    for setting, name in _CREDENTIAL_OF:
        path = Path(directory, name)
        if _is_unset(values, _INSTEAD_OF[setting.key]) and _says_something(path):
            values[setting.key] = Value(setting=setting, value=path, origin=SYSTEMD_CREDENTIAL)


def _take_roots_key(values: dict[str, Value], env_file: Path | None) -> None:
    """What systemd hands to the service, root may read: now, as it is the manager when the key is used."""
    path = Path(DEFAULT_ENV_FILE).with_name(APP_KEY_FILE)
    wanted = env_file == Path(DEFAULT_ENV_FILE) and not _is_unset(values, (GithubSection.app_id,))
    if wanted and os.geteuid() == 0 and _is_unset(values, APP_KEYS) and (text := _said_in(path)):
        setting = GithubSection.private_key
        values[setting.key] = Value(setting=setting, value=text, origin=str(path))


def _is_unset(values: Mapping[str, Value], settings: tuple[Setting[Any], ...]) -> bool:
    return all(values[each.key].value is None for each in settings)


def _says_something(path: Path) -> bool:
    return bool(_said_in(path))


def _said_in(path: Path) -> str:
    """Empty, too, for what cannot be read."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _remote(variables: Mapping[str, str], source: str) -> str | None:
    return next((f"{name} is set ({source})" for name in REMOTE if variables.get(name)), None)


def _unknown(variables: Mapping[str, str], source: str) -> list[str]:
    """A sentence for each variable with our prefix that means nothing."""
    unknown = [
        name
        for name in variables
        if name.startswith(PREFIXES) and name not in BY_VARIABLE and name not in (*LOCATORS, *REMOTE, *MARKS)
    ]
    return [f"{name} is not a setting of runnerctl ({source}){_suggestion(name)}" for name in sorted(unknown)]


def _suggestion(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, [*BY_VARIABLE, *LOCATORS], n=1)
    return f"; did you mean {close[0]}?" if close else ""


def built_in(setting: Setting[Any], environ: Mapping[str, str]) -> tuple[str, str]:
    """A directory that nobody named, and its origin: the user's own where only root could make the standard one."""
    default = str(setting.default)
    if os.geteuid() == 0 or Path(default).exists():
        return default, "default"
    variable, fallback, tail = _AT_HOME[setting.key]
    top = environ.get(variable) or str(Path(environ.get("HOME") or "~").expanduser() / fallback)
    return str(Path(top) / tail), f"default ({variable})"


_AT_HOME = {
    HostSection.state_dir.key: ("XDG_STATE_HOME", ".local/state", "runnerctl"),
    DefaultsSection.base_dir.key: ("XDG_DATA_HOME", ".local/share", "runnerctl/runners"),
}


def _at_home(values: dict[str, Value], environ: Mapping[str, str]) -> None:
    for setting in (HostSection.state_dir, DefaultsSection.base_dir):
        if values[setting.key].origin == "default":
            named, origin = built_in(setting, environ)
            values[setting.key] = Value(setting=setting, value=Path(named), origin=origin)
