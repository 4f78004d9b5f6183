"""Workflow commands in the output of a step: ``::warning file=a.py::careful`` (and ``##[warning]careful``)."""

from __future__ import annotations

from ..reporting.timeline import FAILED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..execution_context import Context

_ISSUES = ("error", "warning", "notice")
_DISABLED = ("set-env", "add-path")
_QUIET = ("add-matcher", "remove-matcher", "echo")
_REGISTERED = {*_ISSUES, *_DISABLED, *_QUIET, "debug", "group", "endgroup", "add-mask", "set-output", "save-state"}
_STOP = "stop-commands"
_DATA = (("%0D", "\r"), ("%0A", "\n"))
_PROPERTY = (*_DATA, ("%3A", ":"), ("%2C", ","))
_OLD = (("%3B", ";"), *_DATA, ("%5D", "]"))


class Commands:
    """The output of one process."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stopped_until = ""

    def line(self, line: str) -> None:
        """Act on a command; anything else is output."""
        command = parse(line, self._stopped_until) if "::" in line or "##[" in line else None
        if command is None or not self._process(*command, line):
            self._context.output(line)

    def _process(self, name: str, properties: dict[str, str], data: str, line: str) -> bool:
        context = self._context
        if self._stopped_until:
            if name != self._stopped_until:
                return False
            self._stopped_until = ""
            context.output(line)
        elif name == _STOP:
            self._stopped_until = data
            context.output(line)
        elif name in _ISSUES:
            if name == "notice" and not context.job.message.is_on("DistributedTask.EnhancedAnnotations"):
                return False
            context.issue(name, data, properties)
        elif name in _DISABLED:
            context.error(f"Unable to process command '{line}' successfully.")
            context.error(f"The `{name}` command is disabled. Please upgrade to using Environment Files.")
            context.command_result = FAILED
        else:
            self._obey(name, properties, data)
        return True

    def _obey(self, name: str, properties: dict[str, str], data: str) -> None:
        context = self._context
        if name in ("group", "endgroup"):
            context.output(f"##[{name}]{data}")
        elif name == "add-mask":
            context.job.masks.add(data)
        elif name == "set-output":
            context.set_output(properties.get("name", ""), data)
        elif name == "save-state":
            context.state[properties.get("name", "")] = data
        elif name == "debug" and context.job.message.is_on("ACTIONS_STEP_DEBUG"):
            context.output(f"##[debug]{data}")


def parse(line: str, also: str = "") -> tuple[str, dict[str, str], str] | None:
    """(name, properties, data) if the line is a command that is known, or is called ``also``."""
    text = line.lstrip()
    escapes: tuple[tuple[str, str], ...] = _OLD
    data_escapes: tuple[tuple[str, str], ...] = _OLD
    if text.startswith("::"):
        described, mark, data = text[2:].partition("::")
        separator, escapes, data_escapes = ",", _PROPERTY, _DATA
    else:
        described, mark, data = line.partition("##[")[2].partition("]")
        separator = ";"
    name, _, rest = described.partition(" ")
    if not mark or not (name in _REGISTERED or name == _STOP or (also and name == also)):
        return None
    pairs = (pair.partition("=") for pair in rest.strip().split(separator))
    properties = {key.strip(): _unescaped(value, escapes) for key, equals, value in pairs if equals and value}
    return name, properties, _unescaped(data, data_escapes)


def _unescaped(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for written, meant in escapes:
        text = text.replace(written, meant)
    return text.replace("%25", "%")
