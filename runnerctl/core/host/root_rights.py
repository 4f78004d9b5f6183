"""Root's rights beside those of the state directory's owner, whose identity ``sudo runnerctl`` takes.

They stay with a program of its own (``privileged/clear_directory.py``), which checks what it is asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ..domain.errors import BackendFailed

_PROGRAM = Path(__file__).resolve().parents[2] / "privileged" / "clear_directory.py"


class RootRights:
    """Used from one thread; ``close`` ends the program."""

    def __init__(self, manager: int) -> None:
        argv = [sys.executable, "-I", "-S", "-B", str(_PROGRAM), "--manager", str(manager)]
        self._program = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd="/", text=True
        )

    @classmethod
    def kept(cls, state_dir: Path) -> RootRights | None:
        """To be called before the state directory is opened; None for who is not root, or root anyway."""
        if os.geteuid() != 0:
            return None
        try:
            owner = state_dir.stat().st_uid
        except OSError:
            return None  # whoever opens it says why
        return None if owner == 0 else cls(owner)

    def delete(self, path: Path, inode: tuple[int, int] | None, runner_id: str) -> None:
        """Deletes the directory of a runner; gone already is fine. Raises ``BackendFailed`` saying what is left."""
        answer = self._ask({"path": str(path), "inode": inode, "id": runner_id})
        if answer["error"] is not None:
            raise BackendFailed(answer["error"], hint=answer["hint"])

    def _ask(self, request: dict[str, object]) -> dict[str, str | None]:
        assert self._program.stdin is not None  # noqa: S101 - a pipe, as asked for
        assert self._program.stdout is not None  # noqa: S101 - likewise
        try:
            self._program.stdin.write(f"{json.dumps(request)}\n")
            self._program.stdin.flush()
            answer = json.loads(self._program.stdout.readline())
            return {"error": answer["error"], "hint": answer["hint"]}
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise BackendFailed("What root was to delete is not deleted: its program has ended") from exc

    def close(self) -> None:
        for pipe in (self._program.stdin, self._program.stdout):
            if pipe is not None:
                pipe.close()
        self._program.wait()
