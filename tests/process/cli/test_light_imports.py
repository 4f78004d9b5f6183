"""What is loaded only by those who need it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_importing_the_client_loads_no_network_and_no_cryptography():
    check = "import sys, runnerctl.core.github.client as _; print({'requests','jwt','cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_status_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    check = (
        "import sys; from runnerctl.cli.main import run; status = run(['status', 'X']);"
        "unneeded = {'logging', 'shlex', 'subprocess', 'asyncio', 'http.client', 'runnerctl.core.backends.base',"
        " 'runnerctl.core.engine.github_side.breaker', 'runnerctl.core.packages.version_policy'};"
        "print(unneeded & set(sys.modules), file=sys.stderr)"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RUNNERCTL_STATE_DIR": str(tmp_path / "state")}
    done = subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True, text=True, check=True)
    assert "'X'" in done.stderr
    assert done.stderr.splitlines()[-1] == "set()"
