"""What is made of commands, settings and the engine's table: words to complete, ``completions/``, ``man/``, a page.

``make generate`` writes it; a test fails when a file differs from what this module says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from runnerctl import core

from .completing import SHELLS, of, table
from .main import ALIASES, root
from .manual import roff, topics

_SCRIPTS = {"bash": "bash/runnerctl", "zsh": "zsh/_runnerctl", "fish": "fish/runnerctl.fish"}


def files() -> Iterator[tuple[str, str]]:
    """Path below the repository's top, and text."""
    yield "runnerctl/cli/completing/words.py", table.source(root, topics.BESIDE_COMMANDS, ALIASES)
    for shell in SHELLS:
        yield f"completions/{_SCRIPTS[shell]}", of(shell).source()
    for page in topics.pages(root):
        yield f"man/{page.file_name}", roff.source(page)
    yield "docs/states.md", core.states_page()


def main(top: Path) -> None:
    made = dict(files())
    for path in stale(top, made):
        (top / path).unlink()
    for path, text in made.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text, encoding="utf-8")


def stale(top: Path, made: dict[str, str]) -> list[str]:
    """Files that nothing makes any more."""
    there = [path for name in ("completions", "man") for path in (top / name).rglob("*") if path.is_file()]
    return [name for name in (str(path.relative_to(top)) for path in there) if name not in made]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
