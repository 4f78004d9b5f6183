"""The runner's command line: ``COMMAND --argument value --flag``, each also from the environment.

No ``--key=value``; the first of two duplicates wins; a value that begins with ``-`` is dropped; what is not known is
only complained about. Those are the real one's manners, and managers trip over every one of them.
"""

from __future__ import annotations

from ..host.terminal import complain

PREFIX = "ACTIONS_RUNNER_INPUT_"
COMMANDS = ("configure", "remove", "run", "warmup")
_ANYWHERE = ("help", "version", "commit", "check")
_KNOWN = {
    "configure": (
        "url", "token", "pat", "name", "runnergroup", "labels", "work", "auth", "monitorsocketaddress", "username",
        "unattended", "replace", "ephemeral", "disableupdate", "no-default-labels", "generateserviceconfig",
        "runasservice",
    ),
    "remove": ("token", "pat", "local", "unattended"),
    "run": ("jitconfig", "startuptype", "once"),
    "warmup": (),
}  # fmt: skip


class CommandLine:
    """``command`` is empty when none was given; ``environment`` loses the variables that are input to us."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self.command = ""
        self._arguments: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self._read_words(words)
        self._read_environment(environment)
        self._complain_about_unknown()

    def argument(self, name: str) -> str:
        return self._arguments.get(name) or self._environment.get(name, "")

    def flag(self, name: str) -> bool:
        return name in self._arguments or self._environment.get(name, "").lower() in ("true", "1")

    def _read_words(self, words: list[str]) -> None:
        key = ""
        for word in words:
            if word.startswith("--"):
                key = word[2:].lower()
                self._arguments.setdefault(key, "")
            elif key and not word.startswith("-"):
                self._arguments[key] = self._arguments[key] or word
                key = ""
            elif not key and word.lower() in COMMANDS and not self.command:
                self.command = word.lower()
            else:
                key = ""

    def _read_environment(self, environment: dict[str, str]) -> None:
        for variable in [each for each in environment if each.upper().startswith(PREFIX)]:
            # Jobs must not inherit a token, hence taken out and not only read.
            name = variable[len(PREFIX) :].lower()
            self._environment[name] = environment.pop(variable)

    def _complain_about_unknown(self) -> None:
        known = _KNOWN.get(self.command, ()) + _ANYWHERE
        unknown = [name for name in self._arguments if name not in known]
        if unknown and self.command:
            listed = ", ".join(unknown)
            complain(f"Unrecognized command-line input arguments for command {self.command}: '{listed}'.")
