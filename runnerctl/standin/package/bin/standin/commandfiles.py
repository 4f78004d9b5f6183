"""GITHUB_ENV, GITHUB_PATH and GITHUB_OUTPUT: the files in which a step leaves word for the next one."""

from __future__ import annotations

import os

TYPE_CHECKING = False  # importing typing would cost 15 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES = {"GITHUB_ENV": "set_env", "GITHUB_PATH": "add_path", "GITHUB_OUTPUT": "set_output",
          "GITHUB_STEP_SUMMARY": "step_summary"}  # fmt: skip


class InvalidCommandFile(Exception):
    """A step left something in one of its files that cannot be read."""


class CommandFiles:
    """One step's files, fresh and empty; read with ``apply`` after it."""

    def __init__(self, temporary: str, step_id: str) -> None:
        directory = f"{temporary}/_runner_file_commands"
        os.makedirs(directory, exist_ok=True)
        self.environment = {variable: f"{directory}/{stem}_{step_id}" for variable, stem in _FILES.items()}
        for path in self.environment.values():
            open(path, "w", encoding="utf-8").close()

    def apply(self, environment: dict[str, str]) -> dict[str, str]:
        """Change the environment of the steps that follow; returns the step's outputs."""
        for name, value in self._assignments("GITHUB_ENV").items():
            if name.startswith(("GITHUB_", "RUNNER_")) or name == "NODE_OPTIONS":
                raise InvalidCommandFile(f"Can't store {name} output parameter using '$GITHUB_ENV' command.")
            environment[name] = value
        for directory in filter(None, self._text("GITHUB_PATH").splitlines()):
            environment["PATH"] = directory + ":" + environment.get("PATH", "")
        return self._assignments("GITHUB_OUTPUT")

    def _text(self, variable: str) -> str:
        try:
            with open(self.environment[variable], encoding="utf-8-sig", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def _assignments(self, variable: str) -> dict[str, str]:
        return assignments(self._text(variable))


def assignments(text: str) -> dict[str, str]:
    """``name=value`` lines, and ``name<<END`` followed by lines up to ``END``."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        if not line:
            continue
        name, equals, value = line.partition("=")
        key, here, end = line.partition("<<")
        if here and (not equals or len(key) < len(name)):
            found[key] = _until(end, lines)
        elif equals and name:
            found[name] = value
        else:
            raise InvalidCommandFile(f"Invalid format '{line}'")
    return found


def _until(end: str, lines: Iterator[str]) -> str:
    held: list[str] = []
    for line in lines:
        if line == end:
            return "\n".join(held)
        held.append(line)
    raise InvalidCommandFile(f"Invalid value. Matching delimiter not found '{end}'")
