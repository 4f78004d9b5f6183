"""A shell in a terminal of its own, at whose keyboard a test sits: what is typed, what the line is then, what shows."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pexpect

BIN = Path(sys.executable).parent
_SHOW = "\x07"  # Ctrl-G: prints the line as it is being typed; keys are worked off one by one, so nothing needs time
_CLEAR = {"bash": "\x15", "zsh": "\x15", "fish": "\x15"}
_ARGV = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
_KEYS = {
    "bash": r"""bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; bind 'set page-completions off'
bind 'set completion-query-items -1'; bind -x '"\C-g": printf "\nLINE<%s>\n" "$READLINE_LINE"'""",
    "zsh": r"""unsetopt zle_bracketed_paste prompt_sp beep; LISTMAX=-1
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -D -u }
show-line() { print -r -- $'\n'"LINE<$BUFFER>"; zle redisplay }; zle -N show-line; bindkey '^G' show-line""",
    "fish": r"""set fish_greeting; function fish_prompt; end; bind \cg 'echo; echo "LINE<"(commandline)">"'""",
}
_ESCAPES = re.compile(r"\x1b\[[0-9;?>]*[A-Za-z]|\x1b[()=>][A-Z0-9]?|\x1b\][^\x07]*\x07|[\x07\x0e\x0f]|[^\n]\x08")


class Seen(NamedTuple):
    line: str
    """What stands on the command line, as the shell has it."""
    screen: str
    """What was shown meanwhile."""


class Typist:
    """Ends with its test; a shell that does not answer fails it."""

    def __init__(
        self, shell: str, environment: Mapping[str, str], directory: Path, argv: list[str] | None = None
    ) -> None:
        self.shell = shell
        argv = argv or _ARGV[shell]
        program = shutil.which(argv[0])
        assert program, f"{argv[0]} is not installed"
        self._terminal = pexpect.spawn(
            program,
            argv[1:],
            env={**environment, "TERM": "xterm", "PATH": f"{BIN}:/usr/bin:/bin", "PS1": "$ ", "LANG": "C.UTF-8"},
            cwd=str(directory),
            dimensions=(300, 160),
            timeout=20,
            encoding="utf-8",
            codec_errors="replace",
            echo=False,
        )
        self.run(_KEYS[shell])

    def run(self, *lines: str) -> str:
        """Gives whole lines to the shell; what they printed."""
        shown = ""
        for line in "\n".join(lines).splitlines():
            self._terminal.send(f"{line}; echo DO''NE\r")
            self._terminal.expect("DONE")
            shown += self._terminal.before
        return shown

    def type(self, text: str) -> Seen:
        """Types, looks, and takes the line away again."""
        self._terminal.send(text)
        self._terminal.send(_SHOW)
        self._terminal.expect(r"LINE<(.*?)>\r?\n")
        seen = Seen(line=self._terminal.match[1], screen=_ESCAPES.sub("", self._terminal.before))
        self._terminal.send(_CLEAR[self.shell])
        return seen

    def close(self) -> None:
        self._terminal.close(force=True)
