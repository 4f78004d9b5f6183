"""The App's key in a file: what it holds now counts, without a signal, as it does for ``doctor``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox, keys
from tests.support.hosts.host import Host, Server

OTHER = keys.to_pem(keys.private_key("of another App"))


@pytest.fixture
def key_file(host: Host) -> Path:
    path = host.top / "app.pem"
    path.touch(mode=0o600)
    host.write_env_file(GITHUB_APP_PRIVATE_KEY_B64="", GITHUB_APP_PRIVATE_KEY_FILE=str(path))
    return path


def rewritten(path: Path, text: str) -> None:
    path.write_text(text)


def renamed_over(path: Path, text: str) -> None:
    """Of the same size and time."""
    seen = path.stat()
    other = path.with_suffix(".new")
    other.touch(mode=0o600)
    other.write_text(text)
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    other.replace(path)


def asked_for_another(server: Server, number: int) -> tuple[int, str]:
    """Of an organization that nobody has a token for yet: it takes the key."""
    answer = server.create(f"r{number}", repo=f"acme-{number}/widgets")
    return answer.status_code, answer.json().get("code", "")


def doctor(host: Host) -> set[str]:
    items = host.cli_json("doctor")["items"]
    return {each["level"] for each in items if each["check"] in {"credentials", "github"}}


@pytest.mark.parametrize("replaced", [rewritten, renamed_over])
def test_a_server_signs_with_the_key_that_the_file_holds(
    key_file: Path, host: Host, sandbox: Sandbox, serve: Callable[..., Server], replaced: Callable[[Path, str], None]
) -> None:
    key_file.write_text(OTHER)
    server = serve()
    assert asked_for_another(server, 1) == (502, "github_credentials")
    assert "error" in doctor(host)
    replaced(key_file, sandbox.private_key_pem)
    assert doctor(host) == {"ok"}
    assert asked_for_another(server, 2) == (201, "")
    replaced(key_file, OTHER)
    assert "error" in doctor(host)
    assert asked_for_another(server, 3) == (502, "github_credentials")


@pytest.mark.parametrize("spoiled", [lambda path: path.write_text("nonsense"), Path.unlink], ids=["nonsense", "gone"])
def test_one_that_cannot_be_used_any_more_is_named_by_both(
    key_file: Path, host: Host, sandbox: Sandbox, serve: Callable[..., Server], spoiled: Callable[[Path], object]
) -> None:
    key_file.write_text(sandbox.private_key_pem)
    server = serve()
    assert asked_for_another(server, 1) == (201, "")
    spoiled(key_file)
    assert asked_for_another(server, 2) == (500, "config_invalid")
    assert "error" in doctor(host)
    key_file.write_text(sandbox.private_key_pem)
    assert asked_for_another(server, 3) == (201, "")
