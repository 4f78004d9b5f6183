"""Where the shells look for completions, and what must be added where they do not look by themselves.

bash: https://github.com/scop/bash-completion (loads by name what is in its directories); zsh: ``fpath``, where no
directory is a user's own; fish: https://fishshell.com/docs/current/completions.html#where-to-put-completions
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from runnerctl.core import check_directory, disk_errors

_BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
_BEGIN, _END = "# >>> runnerctl completion >>>", "# <<< runnerctl completion <<<"
_SYSTEM = Path("/usr/local/share")


class Place(NamedTuple):
    """The script's path; for some shells also a start-up file, and the lines that load the script from there."""

    script: Path
    top: Path
    """Directories below this one are removed when nothing is left in them."""
    startup: Path | None = None
    loading: str = ""
    next: str = "Open a new shell to use it"


def place(shell: str, *, system_wide: bool, environ: Mapping[str, str], home: Path) -> Place:
    """For all users, or for the one whose ``environ`` and ``home`` these are."""
    return (_SYSTEM_WIDE if system_wide else _FOR_USER)[shell](environ, home)


def install(where: Place, text: str) -> list[Path]:
    """The files that were written; those that hold the same already are not."""
    written = [where.script] if _write(where.script, text) else []
    if where.startup is not None:
        before = _text(where.startup)
        kept = _without_block(before)
        separator = "" if not kept or kept.endswith("\n") else "\n"
        if _write(where.startup, f"{kept}{separator}{_BEGIN}\n{where.loading}\n{_END}\n"):
            written.append(where.startup)
    return written


def uninstall(where: Place) -> list[Path]:
    """The files that were removed or restored. Directories that are empty then go, too."""
    changed = []
    with disk_errors(where.script):
        if where.script.exists():
            where.script.unlink()
            changed.append(where.script)
        _remove_empty(where.script.parent, where.top)
    if where.startup is not None and _BEGIN in _text(where.startup):
        kept = _without_block(_text(where.startup))
        with disk_errors(where.startup):
            if kept:
                _write(where.startup, kept)
            else:
                where.startup.unlink()
        changed.append(where.startup)
    return changed


def _bash_for_user(environ: Mapping[str, str], home: Path) -> Place:
    data = _data(environ, home)
    directory = Path(environ.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion")
    script = directory / "completions" / "runnerctl"
    if _BASH_COMPLETION.exists():
        return Place(script, home)
    return Place(script, home, home / ".bashrc", f". {shlex.quote(str(script))}")


def _zsh_for_user(environ: Mapping[str, str], home: Path) -> Place:
    script = _data(environ, home) / "zsh" / "site-functions" / "_runnerctl"
    loading = f"(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit }}\n. {shlex.quote(str(script))}"
    return Place(script, home, Path(environ.get("ZDOTDIR") or home) / ".zshrc", loading)


def _fish_for_user(environ: Mapping[str, str], home: Path) -> Place:
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return Place(config / "fish" / "completions" / "runnerctl.fish", home)


def _data(environ: Mapping[str, str], home: Path) -> Path:
    return Path(environ.get("XDG_DATA_HOME") or home / ".local/share")


_FOR_USER: dict[str, Callable[[Mapping[str, str], Path], Place]] = {
    "bash": _bash_for_user,
    "zsh": _zsh_for_user,
    "fish": _fish_for_user,
}
_SYSTEM_WIDE: dict[str, Callable[[Mapping[str, str], Path], Place]] = {
    "bash": lambda _environ, _home: Place(
        _SYSTEM / "bash-completion/completions/runnerctl",
        _SYSTEM,
        next="Open a new shell to use it; bash needs the package bash-completion for this",
    ),
    "zsh": lambda _environ, _home: Place(
        _SYSTEM / "zsh/site-functions/_runnerctl",
        _SYSTEM,
        next="Open a new shell to use it; each user's ~/.zshrc needs the line: autoload -Uz compinit && compinit",
    ),
    "fish": lambda _environ, _home: Place(_SYSTEM / "fish/vendor_completions.d/runnerctl.fish", _SYSTEM),
}


def _write(path: Path, text: str) -> bool:
    if _text(path) == text:
        return False
    check_directory(path.parent)
    with disk_errors(path):
        new = not path.exists()
        # In place: a start-up file may be a link into somebody's repository of such files.
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        if new:
            path.chmod(0o644)  # whatever root's umask: it is for all users
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _without_block(text: str) -> str:
    before, begin, rest = text.partition(f"{_BEGIN}\n")
    _, end, after = rest.partition(f"{_END}\n")
    return before + after if begin and end else text


def _remove_empty(directory: Path, top: Path) -> None:
    while directory != top and top in directory.parents and directory.is_dir() and not os.listdir(directory):  # noqa: PTH208 - any() of an iterator would leave it open
        directory.rmdir()
        directory = directory.parent
