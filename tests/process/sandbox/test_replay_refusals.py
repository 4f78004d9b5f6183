"""Each of the real runner's requests is refused with one field dropped, mistyped or added, and the refusal is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.sandboxes import records
from tests.support.sandboxes.mutants import Mutant, mutants
from tests.support.sandboxes.records import FRAME, Call
from tests.support.sandboxes.replayer import OpenCall, Replayer, Sent

POLICY_VIOLATION = 1008
_SHARED_WITH_REST = re.compile(r"^GET /api/v3/(orgs/\S+|repos/\S+/runners) header Authorization ")
"""Whoever has a token of GitHub's calls these: other credentials are no fault of config.sh."""


def planned() -> dict[str, tuple[str, Mutant]]:
    """Every mutant there is, by its key, with the call on which it is tried."""
    found: dict[str, tuple[str, Mutant]] = {}
    for call in records.all_calls():
        for mutant in mutants(call):
            found.setdefault(mutant.key(call), (call.id, mutant))
    return found


PLANNED = planned()


@dataclass(frozen=True, kw_only=True)
class Refusal:
    status: int | None
    violations: int


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Refusal]:
    """All of them, tried just before the true requests: which must be answered as ever afterwards."""
    directory = tmp_path_factory.mktemp("refusals")
    (directory / "runner.tar.gz").write_bytes(b"a package")
    (directory / "js").mkdir()
    (directory / "js" / "action.yml").write_text("{}")
    seen: dict[str, Refusal] = {}
    for name in sorted({call_id.rpartition("-")[0] for call_id, _ in PLANNED.values()}):
        seen |= _tried(name, directory)
    return seen


def _tried(name: str, directory: Path) -> dict[str, Refusal]:
    seen: dict[str, Refusal] = {}
    actions = {"octo/js": directory / "js"}
    with Sandbox(archive=directory / "runner.tar.gz", strict=True, poll_seconds=1.0, actions=actions) as sandbox:

        def before(replayer: Replayer, call: Call, sent: Sent) -> None:
            for key, (call_id, mutant) in PLANNED.items():
                if call_id == call.id:
                    known = len(sandbox.violations)
                    status = _status(replayer, call, mutant.apply(sent, key=replayer.key))
                    seen[key] = Refusal(status=status, violations=len(sandbox.violations) - known)

        with closing(Replayer(sandbox=sandbox, name=name, before=before)) as replayer:
            replayer.replay()
    return seen


def _status(replayer: Replayer, call: Call, sent: Sent) -> int | None:
    """Of the answer; of a feed the code with which it is closed."""
    if call.method != FRAME:
        return OpenCall(sent).answer().status
    feed = replayer.feed(sent)
    feed.send(json.dumps(sent.body).encode())
    return feed.closed()


@pytest.mark.parametrize("key", PLANNED)
def test_a_request_with_a_fault_is_refused_and_kept(refusals, key):
    refusal = refusals[key]
    if _SHARED_WITH_REST.match(key):
        assert refusal.status in {401, 404}
    else:
        assert refusal == Refusal(status=POLICY_VIOLATION if key.startswith(FRAME) else 400, violations=1)


def test_every_kind_of_request_is_tried():
    kinds = {call.what for call in records.all_calls()}
    assert {key.partition(" header ")[0].partition(" query ")[0].partition(" body ")[0] for key in PLANNED} >= kinds
