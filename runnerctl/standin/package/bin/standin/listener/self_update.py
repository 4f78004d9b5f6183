"""The runner's update of itself (``SelfUpdaterV2.cs``): a package is fetched, laid beside, put in place by a script.

The script waits until the Listener is gone, moves the links ``bin`` and ``externals``, and touches ``update.finished``
in the directory in which it was started.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from hashlib import sha256

from ..github import calls, http1
from ..host import scratch
from ..host.terminal import complain, say
from ..release import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_TRIES = 3
_PARTS = ("bin", "externals")
_SCRIPT = """\
#!/bin/bash
while [ -d /proc/{pid} ]; do sleep 0.1; done
cd '{root}' || exit 1
for part in bin externals; do
    [ -L $part ] && rm $part || mv $part $part.{old}
    ln -s $part.{new} $part
done
cd "$OLDPWD" && touch update.finished
"""


class UpdateFailed(Exception):
    """It goes on as it is."""


def update(message: dict[str, Any], *, root: str, work: str, wait_for_job: Callable[[], None]) -> bool:
    """Whether an update is under way: then the process has to end."""
    new = str(message.get("target_version"))
    say("Runner update in progress, do not shutdown runner.")
    say(f"Downloading {new} runner")
    try:
        _lay_beside(_fetch(message), new, root=root, scratch_directory=f"{work}/_update")
        say("Waiting for current job finish running.")
        wait_for_job()
        say("Generate and execute update script.")
        _start_script(new, root=root, work=work)
        say("Runner will exit shortly for update, should be back online within 10 seconds.")
    except (UpdateFailed, OSError) as exc:
        complain(f"Runner update failed: {exc}")
        return False
    finally:
        say("Runner update process finished.")
    return True


def _fetch(message: dict[str, Any]) -> bytes:
    url, expected = str(message.get("download_url")), str(message.get("sha256_checksum") or "")
    for _ in range(_TRIES):
        try:
            answer = http1.call("GET", url, headers=calls.headers(), timeout=900.0)
        except (http1.Unreachable, ValueError):
            continue
        if answer.ok:
            found = sha256(answer.body).hexdigest()
            if expected and found != expected:
                raise UpdateFailed(
                    f"Computed runner hash {found} did not match expected Runner Hash {expected} for {url}"
                )
            return answer.body
    raise UpdateFailed(f"Runner package '{url}' failed after {_TRIES} download attempts")


def _lay_beside(package: bytes, new: str, *, root: str, scratch_directory: str) -> None:
    scratch.clear(scratch_directory)
    os.makedirs(scratch_directory)
    done = subprocess.run(["tar", "-xzf", "-"], input=package, cwd=scratch_directory, capture_output=True, check=False)
    if done.returncode:
        raise UpdateFailed(f"Can't use 'tar -xzf' to extract archive file. return code: {done.returncode}.")
    for entry in os.scandir(scratch_directory):
        if entry.name in _PARTS:
            scratch.clear(f"{root}/{entry.name}.{new}")
            shutil.copytree(entry.path, f"{root}/{entry.name}.{new}", symlinks=True)
        elif entry.is_file():
            shutil.copy2(entry.path, f"{root}/{entry.name}")


def _start_script(new: str, *, root: str, work: str) -> None:
    if os.path.exists("update.finished"):
        os.unlink("update.finished")
    path = f"{work}/_update.sh"
    with open(path, "w", encoding="utf-8") as file:
        file.write(_SCRIPT.format(pid=os.getpid(), root=root, old=VERSION, new=new))
    subprocess.Popen(["bash", path], stdin=subprocess.DEVNULL)
