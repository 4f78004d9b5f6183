"""``run``: a script in a file of its own, and the shell that reads it (``ScriptHandler.cs``)."""

from __future__ import annotations

import os
import shlex

from ... import guid
from . import environment
from .execution import execute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..execution_context import Context

_ARGUMENTS = {"bash": "--noprofile --norc -e -o pipefail {0}", "sh": "-e {0}", "python": "{0}",
              "pwsh": "-command \". '{0}'\""}  # fmt: skip
_SUFFIXES = {"bash": ".sh", "sh": ".sh", "python": ".py", "pwsh": ".ps1"}


class Failed(Exception):
    """The step cannot be run; said as its error."""


class _Shell:
    def __init__(self, context: Context, asked: str) -> None:
        """``asked`` is what the workflow says, or "": then bash, called sh."""
        name, _, arguments = asked.partition(" ")
        self.name = name or "sh"
        self.path = environment.which(name, context) if name else _default(context)
        if not self.path:
            raise Failed(f"{self.name}: command not found. Make sure '{self.name}' is installed and its location "
                         "included in the 'Path' environment variable.")  # fmt: skip
        self.arguments = arguments.strip() or _ARGUMENTS.get(self.name, "")
        if "{0}" not in self.arguments:
            raise Failed(
                "Invalid shell option. Shell must be a valid built-in (bash, sh, cmd, powershell, pwsh) or a format "
                "string containing '{0}'"
            )

    def argv(self, script: str) -> list[str]:
        return [self.path, *(word.replace("{0}", script) for word in shlex.split(self.arguments))]


def run(context: Context, inputs: dict[str, str]) -> None:
    script = inputs.get("script", "")
    asked = inputs.get("shell") or ("" if context.scope else context.job.defaults.get("shell", ""))
    shell = _Shell(context, asked)
    _print(context, f"Run {_first_line(script)}", script, shell)
    context.record.action, context.record.kind = _kept(context, shell.name, "run")
    path = f"{context.job.temporary}/{guid.new()}{_SUFFIXES.get(shell.name, '')}"
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(script)
    inside = inputs.get("workingDirectory")
    if inside is None:
        inside = "" if context.scope else context.job.defaults.get("working-directory", "")
    directory = os.path.join(str(context.job.github["workspace"]), inside)
    _execute(context, shell.argv(path), directory, environment.of_step(context, context.environment))


def run_hook(context: Context, path: str, stage: str) -> None:
    """A script of the runner's administrator, around the job (``JobHookProvider.cs``)."""
    when = "started" if stage == "Pre" else "completed"
    context.output(f"A job {when} hook has been configured by the self-hosted runner administrator")
    if not os.path.isfile(path):
        raise Failed("File doesn't exist")
    shell = _Shell(context, "bash" if environment.which("bash", context) else "sh")
    _print(context, f"Run '{path}'", None, shell)
    context.record.action, context.record.kind = f"{stage} Job Hook", "runner"
    shell.arguments = _ARGUMENTS["sh"]
    directory = str(context.job.github["workspace"])
    _execute(context, shell.argv(path), directory, environment.of_step(context, {}))


def _execute(context: Context, argv: list[str], directory: str, variables: dict[str, str]) -> None:
    code = execute(context, argv, directory=directory, environment=variables)
    if code:
        context.error(f"Process completed with exit code {code}.")
        context.fail()


def _print(context: Context, title: str, script: str | None, shell: _Shell) -> None:
    context.output(f"##[group]{title}")
    if script is not None:
        for line in script.replace("\r\n", "\n").rstrip("\n").split("\n"):
            context.output(f"\x1b[36;1m{line}\x1b[0m")
    context.output(f"shell: {shell.path} {shell.arguments}")
    if script is not None:
        print_environment(context)
    context.output("##[endgroup]")


def print_environment(context: Context) -> None:
    if context.environment:
        context.output("env:")
    for name, value in context.environment.items():
        context.output(f"  {name}: {value}")


def _kept(context: Context, action: str, kind: str) -> tuple[str, str]:
    """A script inside an action does not change what its step is called."""
    if context.parent:
        return context.record.action, context.record.kind
    return action, kind


def _default(context: Context) -> str:
    return environment.which("bash", context) or environment.which("sh", context)


def _first_line(script: str) -> str:
    text = script.lstrip(" \t\r\n")
    return text.splitlines()[0] if text else ""
