"""The stand-in's annotations point where the real runner's do; the sandbox takes them as the real runner sends them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandboxes.listener import rest
from tests.support.sandboxes.standin import PACE, StandIn
from tests.support.sandboxes.tap import TappedSandbox

pytest_plugins = ("tests.support.sandboxes.standin_fixtures",)
pytestmark = pytest.mark.timeout(40)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[TappedSandbox]:
    archive = tmp_path / "no-package"
    archive.write_bytes(b"none")
    with TappedSandbox(archive=archive, strict=True, poll_seconds=50 * PACE) as sandbox:
        yield sandbox
    assert sandbox.violations == []


def completed(github: TappedSandbox, runner: StandIn, script: str) -> dict[str, Any]:
    """What ``completejob`` said of a job with that step."""
    number = github.submit_job("octo-org/tool", "n", [{"run": script}])
    body = {"name": "n", "runner_group_id": 1, "labels": ["n"]}
    answer = rest(github, "POST", "/repos/octo-org/tool/actions/runners/generate-jitconfig", body)
    runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=answer.json()["encoded_jit_config"])
    assert runner.exit_code() == 0
    assert github.job(number).conclusion == "success"
    bodies = [call.body for call in github.tap.calls() if call.path.endswith("/completejob")]
    assert len(bodies) == 1
    return bodies[0]


PLACES = {
    "file=a,line=3,endLine=5": ("a", 3, 5),
    "file=a,line=-1": ("a", -1, -1),
    "file=a,line= +7 ": ("a", 7, 7),
    "file=a,line=3,endLine=x": ("a", 3, 3),
    "file=a,line=99999999999": ("a", None, None),
    "file=a,line=-99999999999": ("a", None, None),
    "file=a": ("a", None, None),
    "line=4": (None, 4, 4),
}


def test_an_annotation_is_of_the_line_that_the_command_says(github: TappedSandbox, runner: StandIn) -> None:
    script = "\n".join(f"echo '::warning {place}::x'" for place in PLACES)
    step = completed(github, runner, script)["stepResults"][1]
    found = [(each.get("path"), each.get("startLine"), each.get("endLine")) for each in step["annotations"]]
    assert found == list(PLACES.values())
