"""The actions that a rehearsal's job uses, one of each kind that runs without a container."""

from __future__ import annotations

from pathlib import Path

COMPOSITE, JAVASCRIPT = "rehearsal/composite", "rehearsal/javascript"
SAID_BY_COMPOSITE, SAID_BY_JAVASCRIPT = "A composite action ran", "A JavaScript action ran"

_FILES = {
    COMPOSITE: {
        "action.yml": f"""\
name: Composite
description: Says that it ran
runs:
  using: composite
  steps:
    - run: echo '{SAID_BY_COMPOSITE}'
      shell: sh
"""
    },
    JAVASCRIPT: {
        "action.yml": """\
name: JavaScript
description: Says that it ran
runs:
  using: node24
  main: index.js
""",
        "index.js": f"console.log('{SAID_BY_JAVASCRIPT}');\n",
    },
}


def write(directory: Path) -> dict[str, Path]:
    """Each in a directory of its own, by its name."""
    for name, files in _FILES.items():
        (directory / name).mkdir(parents=True)
        for file, text in files.items():
            (directory / name / file).write_text(text)
    return {name: directory / name for name in _FILES}
