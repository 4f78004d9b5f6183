"""The pages of the two files that hold settings, made of the table of settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runnerctl.core import DEFAULT_CONFIG_FILE, DEFAULT_ENV_FILE, LISTS, MAPS, SETTINGS, STRUCTURED, SWITCHES, Setting

from .page import Block, Heading, Literal, Page, Paragraph, References, Section, Terms

_GROUPS = {
    "github": "GitHub",
    "server": "Server",
    "oidc": "Tokens of workflows",
    "audit": "Audit log",
    "defaults": "Defaults of new runners",
    "limits": "Limits of a runner",
    "stop": "Stopping",
    "": "Host",
}
_ORDER = (
    "A command line option wins over the environment, the environment over the env file, the env file over the config"
    " file, the config file over the default. `runnerctl config show` prints every value in force with its origin."
)
_VALUES = (
    "Durations are seconds, or `90s`, `2m`, `1h`, `7d`. Sizes are bytes, or `500M`, `2G`. Switches: `true`, `false`."
)
_ENV_EXAMPLE = """\
GITHUB_APP_ID=123456
GITHUB_APP_PRIVATE_KEY_FILE=/etc/runnerctl/app.pem
GITHUB_WFA_RUNNER_DEFAULTS__LABELS=self-hosted,linux,x64
RUNNERCTL_MAX_RUNNERS=8"""
_YAML_EXAMPLE = """\
github:
  app_id: 123456
  private_key_file: /etc/runnerctl/app.pem
defaults:
  labels: [self-hosted, linux, x64]
max_runners: 8
log_retention: 14d"""
_OTHERS = (
    (
        "`HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`",
        "The proxy (`http://HOST:PORT`), and the hosts, addresses and networks without one. Also in small letters.",
    ),
    (
        "`REQUESTS_CA_BUNDLE`, `SSL_CERT_FILE`",
        "A file or a directory of certificates to trust instead of those that come with runnerctl.",
    ),
    ("`NO_COLOR`, `COLUMNS`", "How output looks on a terminal."),
    ("`RUNNERCTL_ENV_FILE`", "The env file to read; only from the environment."),
    ("`RUNNERCTL_CONFIG`", "The config file to read."),
)


def pages() -> Iterator[Page]:
    yield _env_page()
    yield _yaml_page()


def _env_page() -> Page:
    where = (
        "runnerctl reads one env file: the one that --env-file names, else the one that `RUNNERCTL_ENV_FILE` names,"
        f" else `{DEFAULT_ENV_FILE}` if it can be read, else `./.env` if it is yours and nobody else can write it."
    )
    form = (
        "Each line is `KEY=value`; quotes are allowed, and nothing is interpolated. An empty value counts as unset. The"
        " same variables count in the environment. Several names of one setting must not differ. Keep the file"
        " unreadable for others (mode 0640 or 0600): it may hold secrets."
    )
    return _page(
        "runnerctl.env",
        "settings of runnerctl as variables",
        [Paragraph(text=where), Paragraph(text=form), Paragraph(text=_ORDER), Paragraph(text=_VALUES)],
        Section(title="VARIABLES", blocks=tuple(_grouped(_variable))),
        Section(title="OTHER VARIABLES", blocks=(Terms(items=_OTHERS),)),
        path=DEFAULT_ENV_FILE,
        example=_ENV_EXAMPLE,
    )


def _yaml_page() -> Page:
    where = f"runnerctl reads the config file that `RUNNERCTL_CONFIG` names, else `{DEFAULT_CONFIG_FILE}` if it exists."
    form = (
        "A key with a dot is nested: `defaults.labels` is the key `labels` of the mapping `defaults`. A list may be"
        " written as a YAML list, or as one text with commas. A key that is no setting is an error. Keep secrets out of"
        " this file; an env file, or a file that a setting names, is the better place."
    )
    return _page(
        "runnerctl.yaml",
        "settings of runnerctl as YAML",
        [Paragraph(text=where), Paragraph(text=form), Paragraph(text=_ORDER), Paragraph(text=_VALUES)],
        Section(title="KEYS", blocks=tuple(_grouped(_key))),
        path=DEFAULT_CONFIG_FILE,
        example=_YAML_EXAMPLE,
    )


def _page(name: str, about: str, description: list[Block], *lists: Section, path: str, example: str) -> Page:
    checked = Paragraph(text="`runnerctl config validate` checks that all of it can be used.")
    others = [
        ("runnerctl", 1),
        ("runnerctl-config", 1),
        ("runnerctl-doctor", 1),
        ("runnerctl.env", 5),
        ("runnerctl.yaml", 5),
    ]
    return Page(
        name=name,
        section=5,
        about=about,
        sections=(
            Section(title="DESCRIPTION", blocks=tuple(description)),
            *lists,
            Section(title="FILES", blocks=(Terms(items=((f"`{path}`", "Where the file is by default."),)),)),
            Section(title="EXAMPLES", blocks=(Literal(text=example), checked)),
            Section(title="SEE ALSO", blocks=(References.to(page for page in others if page[0] != name),)),
        ),
    )


def _grouped(item: object) -> Iterator[Block]:
    assert callable(item)  # noqa: S101 - _variable or _key
    for prefix, title in _GROUPS.items():
        chosen = [setting for setting in SETTINGS if _group(setting) == prefix]
        if chosen:
            yield Heading(text=title)
            yield Terms(items=tuple(item(setting) for setting in chosen))


def _group(setting: Setting[Any]) -> str:
    prefix, dot, _ = setting.key.partition(".")
    return prefix if dot and prefix in _GROUPS else ""


def _variable(setting: Setting[Any]) -> tuple[str, str]:
    first, *more = setting.variables
    also = [f"Also {' and '.join(f'`{name}`' for name in more)}."] if more else []
    return f"`{first}`", " ".join([*_meaning(setting), f"Key: `{setting.key}`.", *also])


def _key(setting: Setting[Any]) -> tuple[str, str]:
    form = ["A list of mappings."] if setting.key in STRUCTURED else ["A list."] if setting.key in LISTS else []
    form = ["A mapping."] if setting.key in MAPS else form
    form = ["`true` or `false`."] if setting.key in SWITCHES else form
    return f"`{setting.key}`", " ".join([*_meaning(setting), *form, f"Variable: `{setting.variables[0]}`."])


def _meaning(setting: Setting[Any]) -> list[str]:
    default = setting.default
    if setting.key == "defaults.labels":
        default = "self-hosted,linux,<architecture>"  # the same page on every machine
    said = [f"{setting.help}.", f"Default: `{default}`." if default else ""]
    return [
        text for text in (*said, "A secret: it is masked wherever it would show." if setting.secret else "") if text
    ]
