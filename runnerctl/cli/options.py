"""What every command shares: the context it runs in, its common options, its parameter types."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from runnerctl.core import Services, Settings


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


@dataclass(frozen=True, kw_only=True)
class CliContext:
    """How this command line talks, and its way into the core."""

    output: Output = Output.TABLE
    quiet: bool = False
    verbose: bool = False
    env_file: str | None = None

    def settings(self, flags: Mapping[str, str] | None = None, *, warn: bool = True) -> Settings:
        """The settings in force; ``flags`` are by key. Doubts about them are told once, unless quiet."""
        from runnerctl.core.settings import load as settings

        loaded = settings.load(flags=flags, env_file=self.env_file)
        if loaded.remote is not None:
            _check_here(loaded.remote)
        if warn:
            from . import render

            for warning in loaded.warnings:
                render.warn(self, warning)
        return loaded

    def services(self, *, warn: bool = True, existing: bool = False) -> Services:
        """The core's services, closed when the command ends. ``existing``: no state directory is made."""
        from runnerctl.core import Services

        context = click.get_current_context()
        # First: root takes the identity of the state directory's owner.
        context.meta.setdefault(UID, os.getuid())
        services = Services.open(self.settings(warn=warn), existing=existing)
        context.call_on_close(services.close)
        return services

    def services_for_reading(self, *, warn: bool = True) -> Services:
        """For commands that only look: what is not there is empty, and nothing is made."""
        from runnerctl.core import Services

        context = click.get_current_context()
        context.meta.setdefault(UID, os.getuid())
        services = Services.for_reading(self.settings(warn=warn))
        context.call_on_close(services.close)
        if warn and (refused := services.whose.refusal) is not None:
            from . import render

            render.warn(self, f"{refused.message}. {refused.hint}")
        return services

    def services_of_any_host(self) -> Services:
        """For the commands that say which machine goes on with a state directory."""
        from runnerctl.core import Services

        context = click.get_current_context()
        context.meta.setdefault(UID, os.getuid())
        services = Services.of_any_host(self.settings())
        context.call_on_close(services.close)
        return services


def _check_here(remote: str) -> None:
    """Raises ``ConfigInvalid`` where whoever types it means another host: it must not be done on this one instead."""
    context = click.get_current_context(silent=True)
    if context is None or getattr(context.command, "always_here", False):
        return
    from runnerctl.core.domain.errors import ConfigInvalid

    raise ConfigInvalid(
        f"{remote}, but commands cannot ask another server yet",
        hint="Unset the variable to act on this host, or use the server's REST API",
    )


AUDITED = "runnerctl.audited"
"""In a context's ``meta``: what the command is about to change."""
UID = "runnerctl.uid"
"""In a context's ``meta``: whose command it is."""

pass_cli = click.make_pass_decorator(CliContext)


class Verb(click.Command):
    """Takes ``--output``, ``--quiet`` and ``--verbose`` too, so that they may also come after the command's name.

    ``exits``: what exit statuses mean for this command beyond the common table; ``files``: which files it touches
    beyond settings and state; ``see``: related commands. The manual shows all three, ``--help`` the first.
    ``always_here``: it means this host even where another server is named for commands.
    """

    def __init__(
        self,
        *args: Any,
        exits: Mapping[int, str] | None = None,
        files: Mapping[str, str] | None = None,
        see: Iterable[str] = (),
        always_here: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.params += [output_option(), quiet_option(), verbose_option()]
        self.exits = dict(exits or {})
        self.files = dict(files or {})
        self.see = tuple(see)
        self.always_here = always_here

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.exits:
            with formatter.section("Exit status"):
                formatter.write_dl([(str(status), meaning) for status, meaning in self.exits.items()])
        super().format_epilog(ctx, formatter)


class Word(click.types.StringParamType):
    """A word that is taken as it is typed. ``kind`` says what completes it: a name in ``completing/values.py``."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


RUNNER = Word("runner")
"""The name of a runner that has not ended."""
STOPPED_RUNNER = Word("stopped-runner")
KNOWN_RUNNER = Word("known-runner")
"""The name of a runner, ended or not."""
REPOSITORY = Word("repository")
ORGANIZATION = Word("organization")
LABELS = Word("labels")
"""Labels with commas between them."""
TOKEN = Word("token")
ORPHAN = Word("orphan")
PACKAGE = Word("package")
SETTING = Word("setting")
UNIT_FILE = Word("unit-file")
TOPIC = Word("topic")
FILE = click.Path()
"""A path that is taken as it is typed, and completed as one."""


def called_as() -> str:
    """How this program was called: what is shown to be typed again."""
    import shlex
    import shutil
    from pathlib import Path

    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m runnerctl"
    if called.name != "runnerctl" or not called.exists():
        return "runnerctl"
    found = shutil.which("runnerctl")
    return "runnerctl" if found is not None and called.samefile(found) else shlex.quote(sys.argv[0])


def output_option() -> click.Option:
    return click.Option(
        ["-o", "--output"],
        type=click.Choice([str(output) for output in Output]),
        metavar="FORMAT",
        callback=_amend("output", Output),
        expose_value=False,
        help="Print a table (tab-separated in a pipe), json, yaml, or only the name.  [default: table]",
    )


def quiet_option() -> click.Option:
    return click.Option(
        ["-q", "--quiet"],
        is_flag=True,
        default=None,
        callback=_amend("quiet", bool),
        expose_value=False,
        help="Print only errors on standard error.",
    )


def verbose_option() -> click.Option:
    return click.Option(
        ["-v", "--verbose"],
        is_flag=True,
        default=None,
        callback=_amend("verbose", bool),
        expose_value=False,
        help="Show the traceback of an error.",
    )


def env_file_option() -> click.Option:
    return click.Option(
        ["--env-file"],
        type=FILE,
        metavar="FILE",
        callback=_amend("env_file", str),
        expose_value=False,
        help="Read settings from this file of KEY=value lines.  "
        "[default: $RUNNERCTL_ENV_FILE, /etc/runnerctl/runnerctl.env, ./.env]",
    )


def _amend(field: str, kind: Any) -> Any:
    """A callback that writes the option's value, if given, into the context's ``Front``."""

    def amend(ctx: click.Context, _param: click.Parameter, value: Any) -> None:
        if value is not None:
            ctx.obj = replace(ctx.obj, **{field: kind(value)})

    return amend


def duration(text: str) -> float:
    """Seconds, from ``90``, ``90s``, ``2m`` or ``1h``: a parameter type."""
    from runnerctl.core.domain import durations
    from runnerctl.core.domain.errors import InvalidRequest

    try:
        return durations.seconds(text)
    except InvalidRequest as exc:
        hint = exc.hint or ""
        raise click.BadParameter(f"{exc.message}; {hint[:1].lower()}{hint[1:]}") from exc
