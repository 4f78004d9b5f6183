"""Somebody at a desk: pages of the dashboard, what may be seen on them, and the host behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server

PATIENCE = 20_000
"""Milliseconds for what must come true; what has is seen at once."""
REPO = "acme/widgets"


@dataclass(kw_only=True)
class Desk:
    browser: Browser
    host: Host
    sandbox: Sandbox
    port: int
    server: Server = field(init=False)
    services: Services = field(init=False)
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What a browser complained of: refused scripts and styles, errors of ours, dialogs that a script opened."""

    def start(self) -> None:
        self.server = Server.start(self.host, {"GITHUB_WFA_RUNNER_SERVER__BIND": f"127.0.0.1:{self.port}"})
        self.services = self.host.services()

    def stop(self) -> None:
        self.services.close()
        self.server.stop()

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        self.stop()

    def page(self, **options: Any) -> Page:
        """A new browser's, at the dashboard."""
        context = self.browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda said: self._note(said.type, said.text))
        page.goto(self.server.url)
        return page

    def _note(self, kind: str, text: str) -> None:
        # Answers of the server, and its silence, are seen by what the page says of them.
        if kind in {"error", "warning"} and not text.startswith("Failed to load resource"):
            self.complaints.append(f"{kind}: {text}")

    def logged_in(self, token: str | None = None, **options: Any) -> Page:
        page = self.page(**options)
        log_in(page, token or self.host.token)
        expect(page.locator("#runners tbody tr, #runners-note:not([hidden])").first).to_be_visible(timeout=PATIENCE)
        return page

    def tenants_token(self, tenant: str = "acme", *rights: Right) -> str:
        limits = TokenLimits(tenant=tenant, repositories=("acme/*",), labels=("linux", "self-hosted", "x64"))
        return issuing.issue(self.services, tenant, rights=rights or tuple(Right), limits=limits)[1]

    @contextmanager
    def job(self, runner: str, name: str) -> Iterator[None]:
        """One that runs until the block is left."""
        gate = self.host.top / f"gate-{runner}"
        wait = f"echo begun; while [ ! -e '{gate}' ]; do sleep 0.1; done; echo done"
        self.sandbox.submit_job(REPO, [runner], [{"run": wait}], name=name)
        try:
            yield
        finally:
            gate.touch()


def log_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()


def row(page: Page, runner: str) -> Locator:
    return page.locator(f'#runners tr[data-runner="{runner}"]')


def act(page: Page, what: str, runner: str) -> None:
    """By its button, and yes."""
    page.get_by_role("button", name=f"{what} {runner}", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name=what, exact=True).click()
