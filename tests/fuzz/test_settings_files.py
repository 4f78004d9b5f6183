"""Env files and config files: every text is read, or refused by a short sentence that names the file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.settings.files import read_config_file, read_env_file
from runnerctl.core.settings.load import load
from runnerctl.core.settings.table import BY_KEY
from tests.support.places import MEMORY

LONGEST = 1000
"""Characters of a refusal."""

keys = st.sampled_from([*BY_KEY, *{key.split(".")[0] for key in BY_KEY}, "nobody", ""])
words = st.sampled_from(
    ["2024-13-45", "12:99:99", "!!int x", "!!timestamp x", "!!python/object:os.system", "&a", "*a", "<<", "{", "[", "]",
     "}", ":", "- ", "? ", "|", ">", "%YAML 9.9", "---", "...", "\t", "\n", " ", "'", '"', "1e999", "0o9", ".nan", "~",
     "\x00", "\ufeff", "\x85", "\u2028", "'\\x", "=", "${HOME}", "export ", "#"]
)  # fmt: skip
"""What means something in one of the two languages."""
broken_text = st.lists(st.one_of(keys, words, st.text(max_size=8)), max_size=40).map("".join)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates(), st.binary()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(keys, st.integers()), inner)),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, max_size=4).map(yaml.safe_dump)


def refused_well(refused: ConfigInvalid, path: Path) -> None:
    assert str(path) in refused.message
    reads_well(refused)


def reads_well(refused: ConfigInvalid) -> None:
    assert len(refused.message) <= LONGEST, refused.message
    assert refused.message.isprintable(), refused.message


@pytest.fixture(scope="module")
def file() -> Any:
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as made:
        yield Path(made, "settings")


@given(text=st.one_of(documents, broken_text))
@example(text="limits: 2024-13-45")
@example(text="limits: !!int x")
@example(text="limits: !!timestamp x")
@example(text="[" * 5000)
@example(text="a: &a [x, x, x]\nb: &b [*a, *a, *a]\noidc: {rules: &c [*b, *b, *b]}")
@example(text="oidc: {rules: &c [*c]}")
@example(text="job_env: &c {A: *c}")
@example(text="oidc: &c {oidc: *c}")
def test_a_config_file_is_read_or_refused(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    try:
        read, _ = read_config_file(str(file))
    except ConfigInvalid as refused:
        refused_well(refused, file)
    else:
        assert all(isinstance(each, str) for each in read.values())


@given(content=st.one_of(st.binary(max_size=300), broken_text.map(lambda text: text.encode(errors="surrogatepass"))))
def test_an_env_file_is_read_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    try:
        read_env_file(file)
    except ConfigInvalid as refused:
        refused_well(refused, file)


@given(key=st.sampled_from(sorted(BY_KEY)), text=st.one_of(st.text(max_size=40), words, st.integers().map(str)))
@example(key="limits.cpu", text="1e999")
@example(key="limits.cpu", text="nan")
@example(key="limits.memory", text="9" * 5000)
@example(key="drain_settle", text="9" * 400 + "h")
def test_every_setting_takes_every_text_or_refuses_it(file: Path, key: str, text: str) -> None:
    file.write_text("", encoding="utf-8")
    try:
        load(environ={}, flags={key: text}, env_file=str(file))
    except ConfigInvalid as refused:
        reads_well(refused)
