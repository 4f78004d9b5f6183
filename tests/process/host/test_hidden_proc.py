"""An ordinary user under ``hidepid=2``: its own processes are known, others' are unknown, and what is gone is gone."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.hosts.blinded import need, with_proc

USER = 60779
"""Nobody's: https://systemd.io/UIDS-GIDS."""
SCRIPT = """
import json, os, subprocess, sys, time
from runnerctl.core.host import job_users, processes, visibility
other = processes.identify(int(sys.argv[1]))
os.setgroups([])
os.setresgid(USER, USER, USER)
os.setresuid(USER, USER, USER)

def told(ask):
    try:
        return ask()
    except visibility.Unseen as exc:
        return "unseen"

child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
# Until it executes, it is hidden from its own user, too, as one that changed its uid.
while (own := told(lambda: processes.identify(child.pid))) == "unseen":
    time.sleep(0.005)
said = {
    "another's": told(lambda: processes.alive(other)),
    "our own": told(lambda: processes.alive(own)),
    "a Worker of ours": told(lambda: processes.worker(None, "life")),
    "a Worker of another's": told(lambda: processes.worker(None, "life", uid=USER + 1)),
    "users with processes": told(lambda: job_users.with_processes()),
}
child.kill()
child.wait()
said["our own that has ended"] = told(lambda: processes.alive(own))
print(json.dumps(said))
""".replace("USER", str(USER))


def test_only_what_can_be_seen_is_known() -> None:
    through = need(with_proc("hidepid=2", tracing=True))
    with subprocess.Popen(["sleep", "60"]) as other:
        argv = [*through, sys.executable, "-c", SCRIPT, str(other.pid)]
        ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
        other.kill()
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "another's": "unseen",
        "our own": True,
        "a Worker of ours": None,
        "a Worker of another's": "unseen",
        "users with processes": "unseen",
        "our own that has ended": False,
    }
