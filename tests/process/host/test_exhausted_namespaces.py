"""What a host could do a moment ago is not done without: namespaces are counted, and a job can use them up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import runnerctl

_ENTER = """
import sys
sys.path.insert(0, sys.argv[1])
import confinement
print("left", confinement.Confinement(hidden=[], home=sys.argv[2], shared=sys.argv[2]).enter())
"""
_HOLDS = "unshare -m sh -c 'echo held; exec sleep 60' > held & while ! grep -q held held; do sleep 0.05; done"
_SUPERVISOR = Path(runnerctl.__file__).parent / "supervisor"


@pytest.mark.parametrize(
    ("most", "left"),
    [(1, None), (0, "Jobs can change the modes"), (1, "None")],
    ids=["a job has them all", "an administrator allows none", "one is free"],
)
def test_a_job_that_has_used_them_up_makes_no_start_weaker(
    landlock: None, as_root: None, tmp_path: Path, most: int, left: str | None
) -> None:
    """That start fails, and is tried again; a persistent runner's next job would have less in its way otherwise."""
    enter = f'"$@" {_SUPERVISOR} {tmp_path}; s=$?; kill $! 2> /dev/null; exit $s'
    script = f"echo {most} > /proc/sys/user/max_mnt_namespaces; {_HOLDS if left is None else ':'}; {enter}"
    argv = ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", sys.executable, "-ISBc", _ENTER]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    if left is None:
        assert (done.stdout, "No space left" in done.stderr) == ("", True), done
    else:
        assert f"left {left}" in done.stdout, done
