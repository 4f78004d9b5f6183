"""Jobs that run as the manager's own user and the cgroups of others: who may write there ends, or stops, what is in it.

Landlock keeps their signals away; ``cgroup.kill`` would be another way, for whoever's user the cgroup is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from runnerctl.core.engine import routed
from runnerctl.core.host import cgroups
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host
from tests.support.hosts.isolated import Isolated


@pytest.fixture
def confined(landlock: None, host: Host, sandbox: Sandbox) -> Iterator[Isolated]:
    with closing(Services.open(settings.load(environ={}, env_file=str(host.env_file)))) as services:
        yield Isolated(host=host, services=services, sandbox=sandbox)


def test_a_job_neither_ends_nor_freezes_nor_joins_what_is_in_anothers_cgroup(confined: Isolated) -> None:
    other = confined.runner("other", ephemeral=False)
    ours = confined.runner("ours", ephemeral=False)
    own, place = cgroups.place_for(ours.id), cgroups.place_for(other.id)
    if own is None or place is None or not Path(place).exists():
        pytest.skip("needs cgroups of version 2")
    parent = Path(place).parent
    tries = [
        *(f"echo 1 > {each}/cgroup.{file}" for each in (place, own) for file in ("freeze", "kill")),
        *(f"sh -c 'echo $$ > {each}/cgroup.procs'" for each in (place, parent)),
        *(f"mkdir {each}/made" for each in (place, own, parent)),
        *(f"chmod 777 {each}/cgroup.procs" for each in (place, parent)),
    ]
    script = "".join(f"( {each} ) && echo BREACH\n" for each in tries)
    try:
        said = confined.run("ours", f"set +e\n{script}cat {parent}/cgroup.procs > /dev/null && echo read\ntrue")
    finally:
        Path(place, "cgroup.freeze").write_text("0")
        for each in (place, own, parent):
            if Path(each, "made").exists():
                Path(each, "made").rmdir()
    assert "BREACH" not in said.splitlines()
    assert "read" in said.splitlines()
    assert routed.observe(confined.services, other).running
