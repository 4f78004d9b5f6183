"""What a table of words cannot know: names of runners, tokens, labels and so on, from this host's state.

Read only. Whatever is missing, broken, locked or not ours offers nothing.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from . import state

_MOST = 1000
_ENDED = "('completed', 'failed', 'removed')"
_STOPPED = "('stopped')"


def offered(kind: str, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """What completes a word of that kind, the given ones among it."""
    return [CompletionItem(value, help=about) for value, about in FOUND[kind](ctx, incomplete)]


Pairs = Iterable[tuple[str, str | None]]
"""Values and what they are."""


def _runners(ctx: click.Context, incomplete: str) -> Pairs:
    return _named(ctx, incomplete, f"state NOT IN {_ENDED}")


def _stopped_runners(ctx: click.Context, incomplete: str) -> Pairs:
    return _named(ctx, incomplete, f"state IN {_STOPPED}")


def _known_runners(ctx: click.Context, incomplete: str) -> Pairs:
    """The last of each name."""
    return _named(
        ctx, incomplete, "seq = (SELECT max(seq) FROM runner AS other WHERE lower(other.name) = lower(runner.name))"
    )


def _named(ctx: click.Context, incomplete: str, which: str) -> Pairs:
    rows = _rows(
        ctx,
        "SELECT name, state, scope FROM runner WHERE host = ? AND lower(substr(name, 1, ?)) = lower(?)"
        f" AND {which} ORDER BY state IN {_ENDED}, lower(name)",
        os.uname().nodename,
        len(incomplete),
        incomplete,
    )
    return [(name, f"{state_}, {scope}") for name, state_, scope in rows]


def _repositories(ctx: click.Context, _incomplete: str) -> Pairs:
    return _scopes(ctx, "scope LIKE '%/%'")


def _organizations(ctx: click.Context, _incomplete: str) -> Pairs:
    return _scopes(ctx, "scope NOT LIKE '%/%'")


def _scopes(ctx: click.Context, which: str) -> Pairs:
    """Seen before, the latest first."""
    rows = _rows(ctx, f"SELECT scope, max(seq) FROM runner WHERE {which} GROUP BY lower(scope) ORDER BY max(seq) DESC")
    return [(scope, None) for scope, _ in rows]


def _labels(ctx: click.Context, incomplete: str) -> Pairs:
    """One more behind the last comma: the default ones, and those that runners had."""
    from runnerctl.core import DefaultsSection

    before, comma, _ = incomplete.rpartition(",")
    given = {label.lower() for label in before.split(",")}
    known = (DefaultsSection.labels.default or "").split(",")
    for labels, name in _rows(ctx, "SELECT labels, name FROM runner ORDER BY seq DESC"):
        known += [label for label in labels.split(",") if label.lower() != name.lower()]
    distinct = {label.lower(): label for label in known if label.lower() not in given}
    return [(before + comma + label, None) for label in distinct.values()]


def _tokens(ctx: click.Context, _incomplete: str) -> Pairs:
    rows = _rows(ctx, "SELECT name, tenant FROM api_token WHERE revoked_at IS NULL ORDER BY name")
    return [(name, f"tenant {tenant}" if tenant else "all tenants") for name, tenant in rows]


def _orphans(ctx: click.Context, _incomplete: str) -> Pairs:
    rows = _rows(ctx, "SELECT id, kind || ' ' || coalesce(path, name || ' in ' || scope) FROM orphan ORDER BY id")
    return [(str(number), what) for number, what in rows]


def _packages(ctx: click.Context, _incomplete: str) -> Pairs:
    from runnerctl.core.settings import load as settings

    directory = settings.load(env_file=state.env_file(ctx)).package_dir
    return [(entry.name.partition("-")[0], None) for entry in sorted(directory.iterdir()) if entry.name[:1].isdigit()]


def _settings(_ctx: click.Context, _incomplete: str) -> Pairs:
    from runnerctl.core import SETTINGS

    return [(setting.key, setting.help) for setting in SETTINGS]


def _unit_files(_ctx: click.Context, _incomplete: str) -> Pairs:
    from runnerctl.install.files import all_files
    from runnerctl.install.layout import here

    return [(each.path.name, str(each.path.parent)) for each in all_files(here())]


def _topics(ctx: click.Context, _incomplete: str) -> Pairs:
    """After a group, its commands."""
    from .words import COMMANDS, TOPICS

    group = " ".join(ctx.params.get("topic") or ())
    names = COMMANDS[group][2] if group in COMMANDS else ()
    commands = [(name, COMMANDS[f"{group} {name}".strip()][0]) for name in names]
    return commands if group else [*commands, *TOPICS.items()]


FOUND: dict[str, Callable[[click.Context, str], Pairs]] = {
    "runner": _runners,
    "stopped-runner": _stopped_runners,
    "known-runner": _known_runners,
    "repository": _repositories,
    "organization": _organizations,
    "labels": _labels,
    "token": _tokens,
    "orphan": _orphans,
    "package": _packages,
    "setting": _settings,
    "unit-file": _unit_files,
    "topic": _topics,
}
"""The kinds of ``options.Word``."""


def _rows(ctx: click.Context, query: str, *values: object) -> list[tuple[str, ...]]:
    database = state.database(ctx)
    if database is None:
        return []
    connection = sqlite3.connect(database, uri=True, timeout=0.05)
    try:
        return connection.execute(f"{query} LIMIT {_MOST}", values).fetchall()
    finally:
        connection.close()
