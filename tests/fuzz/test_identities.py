"""What GitHub hands over for a runner, and what a runner's own files say: used as documented, or refused unshown."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from runnerctl.core.backends.identity import NAMES, agent_id, decode_jit, write_identity
from runnerctl.core.domain.errors import GitHubRefused
from tests.support.places import MEMORY

KEY = "the-runners-own-private-key"

json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.just(KEY)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
contents = st.one_of(
    json_values,
    st.one_of(st.binary(max_size=40), st.just(KEY.encode())).map(lambda data: base64.b64encode(data).decode()),
)
names = st.one_of(st.sampled_from([*NAMES, ".env", "../x", "/etc/x", ".runner_migrated"]), st.text(max_size=10))
blobs = st.one_of(
    st.fixed_dictionaries(dict.fromkeys(NAMES, contents), optional={"../x": contents}),
    st.dictionaries(names, contents, max_size=5),
    json_values,
)
texts = st.one_of(
    blobs.map(lambda blob: base64.b64encode(json.dumps(blob).encode()).decode()),
    st.binary(max_size=80).map(lambda data: base64.b64encode(data).decode()),
    st.text(max_size=80),
)


@given(text=texts)
@example(text=base64.b64encode(b"[" * 100_000).decode())
@example(text=base64.b64encode(b'{".runner": ' + b"9" * 10_000 + b"}").decode())
def test_a_jit_configuration_is_three_files_or_refused_without_a_word_of_it(text: str) -> None:
    try:
        files = decode_jit(text)
    except GitHubRefused as refused:
        tells_nothing(refused)
    else:
        assert sorted(files) == sorted(NAMES)


def tells_nothing(refused: GitHubRefused) -> None:
    assert KEY not in refused.message
    assert len(refused.message) < 200
    assert refused.__cause__ is None


@given(text=texts)
def test_it_writes_these_three_or_nothing(text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as top:
        root = Path(top, "root")
        root.mkdir()
        try:
            write_identity(root, text)
        except GitHubRefused:
            assert not list(root.iterdir())
        else:
            assert {path.name for path in root.iterdir()} == set(NAMES)
            assert all(path.stat().st_mode & 0o7777 == 0o600 for path in root.iterdir())
        assert [path.name for path in Path(top).iterdir()] == ["root"]


@given(content=st.one_of(st.binary(max_size=80), json_values.map(lambda value: json.dumps(value).encode()),
                         json_values.map(lambda value: json.dumps({"AgentId": value}).encode())))  # fmt: skip
@example(content=b"[" * 60_000)
@example(content=b'{"agentId": 1e999}')
@example(content=b'{"agentId": "' + b"9" * 5000 + b'"}')
def test_a_runner_file_tells_an_id_or_none(content: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as top:
        Path(top, ".runner").write_bytes(content)
        told = agent_id(Path(top))
    assert told is None or 0 < told < 2**63
