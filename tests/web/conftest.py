"""A host with a sandbox and a server that can be started anew at its address, and browsers that look at it."""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.hosts.host import Host
from tests.support.sandboxes.strictness import strict_sandbox
from tests.web.desk import Desk

_BROWSERS = ("chromium", "chromium-headless-shell")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The distribution's; nothing is downloaded."""
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium-headless-shell")
    with sync_playwright() as playwright:
        # Root's browser has no sandbox of its own; it sees nothing but this host's pages.
        opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def desk(browser: Browser, archive: Path, package_dir: Path, tmp_path: Path) -> Iterator[Desk]:
    with strict_sandbox(archive=archive) as sandbox:
        host = Host.make(tmp_path, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        desk = Desk(browser=browser, host=host, sandbox=sandbox, port=_free_port())
        desk.start()
        yield desk
        desk.close()
        host.kill_everything()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
