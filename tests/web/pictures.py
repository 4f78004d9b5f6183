"""The page as people see it, in both themes and three widths, to be looked at in `build/web`; nothing is cut off."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import RunnerState
from tests.support.places import REPOSITORY
from tests.web.desk import REPO, Desk, row

PICTURES = Path(REPOSITORY) / "build" / "web"
WIDTHS = (390, 1280, 1920)
NAMES = ("build", "test (3.12)", "lint", "deploy to staging")
LONG = "a-job-whose-name-nobody-would-want-to-read-but-which-has-no-blank-anywhere-" * 2


def a_day(desk: Desk) -> None:
    """Of jobs, and an orphan."""
    rng, now = random.Random(4), desk.services.clock.now()
    runner = desk.services.store.admit(desk.host.spec("ci-0"), root=desk.host.base_dir / "ci-0")
    for number in range(90):
        began = now - abs(rng.gauss(0, 9 * 3600)) - 60
        job = SeenJob(
            name=LONG if number == 7 else rng.choice(NAMES),
            started_at=began,
            ended_at=began + rng.uniform(20, 900),
            result=rng.choice(["succeeded"] * 9 + ["failed"] * 2 + ["cancelled"]),
            result_from=rng.choice(["listener", "log"]),
            repository=REPO,
            workflow="CI",
        )
        desk.services.store.note_job(runner.id, job)
    desk.services.store.transition(runner, RunnerState.REMOVING, RunnerState.REMOVED)
    desk.services.store.keep_orphan(runner, reason="GitHub did not answer", seconds=3600)


def is_cut_off(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pictures_of_every_view(desk: Desk, scheme: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    a_day(desk)
    for name in ("ci-1", "ci-2", "gpu-1"):
        assert desk.server.create(name, wait="online", labels="self-hosted,linux,x64").status_code == 201
    page = desk.page(color_scheme=scheme, reduced_motion="reduce", viewport={"width": 1280, "height": 900})

    def take(name: str, *, whole: bool = True) -> None:
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            page.screenshot(path=PICTURES / f"{name}-{scheme}-{width}.png", full_page=whole)
            assert not is_cut_off(page), (name, width)

    expect(page.get_by_label("Token")).to_be_visible()
    take("login")
    with desk.job("ci-2", "build"):
        page.get_by_label("Token").fill(desk.host.token)
        page.get_by_role("button", name="Log in").click()
        expect(row(page, "ci-2")).to_contain_text("busy", timeout=20_000)
        expect(row(page, "ci-2").locator("td[data-label=CPU]")).to_contain_text("%", timeout=20_000)
        expect(page.locator("#jobs tbody tr").first).to_contain_text("running", timeout=20_000)
        take("dashboard")
        for opened, name in (
            ("ci-2", "runner"),
            ("New runner", "create"),
            ("Remove ci-2", "remove"),
            ("Sessions", "sessions"),
        ):
            page.get_by_role("button", name=opened, exact=True).click()
            expect(page.get_by_role("dialog")).to_be_visible()
            if name == "runner":
                expect(page.get_by_role("log")).to_contain_text("Running job")
            if name == "sessions":
                expect(page.get_by_role("dialog").get_by_role("listitem").first).to_be_visible()
            take(name, whole=False)
            page.keyboard.press("Escape")
    desk.stop()
    expect(page.locator("#connection")).to_have_text("Not connected, trying again", timeout=20_000)
    take("disconnected", whole=False)
    desk.start()
