"""What is loaded only by those who need it."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_client_loads_no_network_and_no_cryptography():
    check = "import sys, runnerctl.core.github.client as _; print({'requests','jwt','cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
