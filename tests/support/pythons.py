"""``make test-pythons``: some tests on each Python that is supported, each in an environment of its own.

What cannot be had here is named in the table at the end: it is no failure of the tests, and was not tried.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.places import REPOSITORY

SUPPORTED = ("3.11.2", "3.12", "3.13")
"""3.11.2 is the oldest, as Debian 12 has it; of the others any release will do."""
ENVIRONMENTS = REPOSITORY / ".venv-pythons"
_ABOUT = "import json, platform, sys; print(json.dumps([platform.python_version(), sys.prefix == sys.base_prefix]))"
_PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--config-settings", "editable_mode=compat")


class Python(NamedTuple):
    path: Path
    version: str


def installed() -> list[Python]:
    """All that are found: the distribution's, those on the PATH, pyenv's."""
    found = {}
    for path in _candidates():
        about = subprocess.run([path, "-c", _ABOUT], capture_output=True, check=False)
        if about.returncode == 0:  # a shim of pyenv's may stand for nothing
            version, itself = json.loads(about.stdout)
            if itself:
                found.setdefault(version, Python(path, version))
    return list(found.values())


def _candidates() -> Iterator[Path]:
    yield from (Path("/usr/bin/python3"), *sorted(Path("/usr/bin").glob("python3.1[0-9]")))
    for name in ("python3.11", "python3.12", "python3.13"):
        if (path := shutil.which(name)) is not None:
            yield Path(path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob("versions/3.*/bin/python3"))


def chosen(wanted: str, among: Sequence[Python]) -> Python | None:
    """The first that is that release, or of that series."""
    return next((each for each in among if f"{each.version}.".startswith(f"{wanted}.")), None)


def environment(python: Python) -> Path | None:
    """Its interpreter, with all that the tests need; None, and why on standard error, if that cannot be made."""
    directory = ENVIRONMENTS / python.version
    interpreter = directory / "bin/python"
    making = subprocess.run([python.path, "-m", "venv", directory], check=False)
    if making.returncode == 0:
        making = subprocess.run([interpreter, *_PIP, "--editable", ".[test]"], cwd=REPOSITORY, check=False)
    return interpreter if making.returncode == 0 else None


def tried(wanted: str, among: Sequence[Python], arguments: Sequence[str]) -> tuple[bool, str]:
    """Whether that is all right, and what came of it, in words."""
    python = chosen(wanted, among)
    if python is None:
        return True, "not tried: there is none here"
    interpreter = environment(python)
    if interpreter is None:
        return False, f"no environment could be made with {python.path} (Debian: apt-get install python3-venv)"
    command = [interpreter, "-m", "pytest", "-n", str(os.cpu_count()), "--dist", "loadfile", *arguments]
    passed = subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0
    return passed, f"{'passed' if passed else 'FAILED'} on {python.version} ({python.path})"


def main(arguments: Sequence[str]) -> int:
    among = installed()
    results = {wanted: tried(wanted, among, arguments) for wanted in SUPPORTED}
    for wanted, (_, words) in results.items():
        sys.stdout.write(f"{wanted:8}{words}\n")
    return 0 if all(fine for fine, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
