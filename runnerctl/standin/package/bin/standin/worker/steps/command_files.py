"""GITHUB_ENV, GITHUB_PATH, GITHUB_OUTPUT, GITHUB_STATE, GITHUB_STEP_SUMMARY: where a step leaves word for others."""

from __future__ import annotations

import os

from ... import guid
from ..reporting.timeline import FAILED
from ..reporting.uploads import Upload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..execution_context import Context

_FILES = {"env": "set_env_", "path": "add_path_", "output": "set_output_", "state": "save_state_",
          "step_summary": "step_summary_"}  # fmt: skip
_LARGEST_SUMMARY = 1024 * 1024


class InvalidCommandFile(Exception):
    """A step left something in one of its files that cannot be read."""


class CommandFiles:
    """One step's files, fresh and empty; the ``github`` context of its step tells where they are."""

    def __init__(self, context: Context) -> None:
        directory = f"{context.job.temporary}/_runner_file_commands"
        os.makedirs(directory, exist_ok=True)
        self._context = context
        self._paths = {name: f"{directory}/{stem}{guid.new()}" for name, stem in _FILES.items()}
        for path in self._paths.values():
            open(path, "w", encoding="utf-8").close()
        context.github.update(self._paths)

    def process(self) -> None:
        """Act on what the step wrote; what cannot be read fails it."""
        context = self._context
        acts: dict[str, Callable[[str], None]] = {
            "env": self._set_environment, "path": self._add_path,
            "output": lambda text: _each(text, context.set_output),
            "state": lambda text: context.state.update(assignments(text)), "step_summary": self._upload_summary,
        }  # fmt: skip
        for name, act in acts.items():
            try:
                act(self._text(name))
            except InvalidCommandFile as exc:
                context.error(f"Unable to process file command '{name}' successfully.")
                context.error(str(exc))
                context.command_result = FAILED

    def _text(self, name: str) -> str:
        try:
            with open(self._paths[name], encoding="utf-8-sig", errors="replace", newline="") as file:
                return file.read()
        except OSError:
            return ""

    def _set_environment(self, text: str) -> None:
        for name, value in assignments(text).items():
            if name.upper() == "NODE_OPTIONS":
                self._context.error("Can't store NODE_OPTIONS output parameter using '$GITHUB_ENV' command.")
            else:
                self._context.job.environment[name] = value

    def _add_path(self, text: str) -> None:
        prepended = self._context.job.prepended
        for directory in filter(None, text.splitlines()):
            if directory in prepended:
                prepended.remove(directory)
            prepended.append(directory)

    def _upload_summary(self, text: str) -> None:
        size = len(text.encode("utf-8", "replace"))
        if not size:
            return
        if size > _LARGEST_SUMMARY:
            self._context.error(
                f"$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of {_LARGEST_SUMMARY // 1024}k, "
                f"got {size // 1024}k."
            )
            return
        path = f"{self._paths['step_summary']}-scrubbed"
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.writelines(self._context.job.masks.mask(line) + "\n" for line in text.splitlines())
        self._context.job.uploads.add(Upload(path, self._context.summary_id))


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


def _each(text: str, act: Callable[[str, str], None]) -> None:
    for name, value in assignments(text).items():
        act(name, value)


def _until(end: str, lines: Iterator[str]) -> str:
    held: list[str] = []
    for line in lines:
        if line == end:
            return "\n".join(held)
        held.append(line)
    raise InvalidCommandFile(f"Invalid value. Matching delimiter not found '{end}'")
