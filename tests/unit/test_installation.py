"""Whose a state directory is."""

from __future__ import annotations

import hmac
import uuid
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import ConfigInvalid, StateOfAnotherHost
from runnerctl.core.host import installation
from runnerctl.core.host.installation import Installation
from runnerctl.core.host.whose import Whose
from runnerctl.supervisor import machine

RAW = "3d1219c7c4c5404aaa1f6d2a48adfda4"
OTHER = "0123456789abcdef0123456789abcdef"


def on(state_dir: Path, word: str | None, *host_ids: str) -> Whose:
    """As a command on a machine with that id finds it; rows are of those machines, the newest first."""
    if host_ids:
        (state_dir / "runnerctl.db").touch()
    whose = Whose(state_dir, lambda: list(host_ids))
    whose.__dict__["machine"] = None if word is None else machine.hashed(word)
    return whose


@pytest.mark.parametrize(
    ("content", "known"),
    [(RAW, True), (f"{RAW}\n", True), ("", False), ("uninitialized", False), ("0" * 32, False), (RAW[:-1], False)],
)
def test_a_machine_is_known_by_a_hash_of_its_id_or_not_at_all(tmp_path: Path, content: str, known: bool) -> None:
    path = tmp_path / "machine-id"
    path.write_text(content)
    found = machine.machine_id(str(path))
    assert (found is not None) is known
    assert RAW not in str(found)
    assert RAW not in str(found).replace("-", "")


def test_the_hash_is_made_as_systemd_makes_application_specific_ids() -> None:
    """HMAC-SHA256 keyed by the machine's id, cut to a random UUID: sd_id128_get_machine_app_specific(3)."""
    found = uuid.UUID(str(machine.hashed(RAW)))
    assert found.version == 4
    digest = bytearray(hmac.digest(bytes.fromhex(RAW), machine._APPLICATION, "sha256")[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x40, digest[8] & 0x3F | 0x80
    assert found.bytes == bytes(digest)


def test_a_machine_without_the_file_has_no_id(tmp_path: Path) -> None:
    assert machine.machine_id(str(tmp_path / "none")) is None


def test_a_directory_is_its_machines_from_the_first_claim_on(tmp_path: Path) -> None:
    on(tmp_path, RAW).claim()
    first = installation.read(tmp_path)
    on(tmp_path, RAW).claim()
    assert installation.read(tmp_path) == first
    for word in (OTHER, None):
        with pytest.raises(StateOfAnotherHost):
            on(tmp_path, word).claim()
    assert installation.read(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == [machine.HOST_FILE]


def test_of_two_that_claim_at_once_the_first_counts_for_both(tmp_path: Path) -> None:
    late = on(tmp_path, OTHER)
    assert late.refusal is None
    on(tmp_path, RAW).claim()
    with pytest.raises(StateOfAnotherHost):
        late.claim()
    assert late.refusal is not None


def test_a_machine_that_has_got_an_id_keeps_the_installation(tmp_path: Path) -> None:
    on(tmp_path, None).claim()
    first = installation.read(tmp_path)
    assert first is not None
    assert first.machine is None
    on(tmp_path, RAW).claim()
    assert installation.read(tmp_path) == first._replace(machine=machine.hashed(RAW))


@pytest.mark.parametrize(
    ("host_ids", "ours"),
    [
        ([RAW, OTHER], True),
        ([OTHER, RAW], False),
        ([str(machine.hashed(OTHER))], False),
        ([str(machine.hashed(RAW))], True),
        (["build-host-7"], True),
        ([], True),
    ],
)
def test_without_the_file_the_newest_row_says_whose_it_is(tmp_path: Path, host_ids: list[str], ours: bool) -> None:
    whose = on(tmp_path, RAW, *host_ids)
    assert (whose.refusal is None) is ours


def test_looking_writes_nothing(tmp_path: Path) -> None:
    assert on(tmp_path, RAW).refusal is None
    assert list(tmp_path.iterdir()) == []


def test_adopting_keeps_the_installation_and_beginning_anew_does_not(tmp_path: Path) -> None:
    on(tmp_path, RAW).claim()
    first = installation.read(tmp_path)
    assert first is not None
    clone = on(tmp_path, OTHER)
    clone.adopt()
    assert clone.refusal is None
    assert installation.read(tmp_path) == Installation(first.id, machine.hashed(OTHER))
    again = on(tmp_path, RAW)
    again.begin_anew()
    assert again.refusal is None
    found = installation.read(tmp_path)
    assert found is not None
    assert found.id != first.id


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": "x"}'])
def test_a_file_that_says_nothing_is_no_mark_of_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / machine.HOST_FILE).write_text(content)
    with pytest.raises(ConfigInvalid, match=r"host\.json"):
        on(tmp_path, RAW).claim()
