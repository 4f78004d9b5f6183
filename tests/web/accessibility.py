"""axe finds nothing serious, in both themes, in every view; and the page can be used by keyboard alone."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.hosts.host import until
from tests.web.desk import Desk, log_in, row

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
SERIOUS = {"serious", "critical"}


def violations(page: Page) -> list[str]:
    """Of any weight that says something of what people meet."""
    found: list[dict[str, Any]] = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{each['impact']} {each['id']}: {node['html'][:120]} {node['failureSummary']}"
        for each in found
        for node in each["nodes"]
        if each["impact"] in SERIOUS or each["id"] in {"landmark-one-main", "region", "heading-order"}
    ]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_view(desk: Desk, scheme: str, width: int) -> None:
    viewport = {"width": width, "height": 900}
    page = desk.page(color_scheme=scheme, viewport=viewport, reduced_motion="reduce")
    expect(page.get_by_label("Token")).to_be_visible()
    assert violations(page) == []
    log_in(page, "wrong")
    expect(page.locator("#login-error")).not_to_be_empty()
    assert violations(page) == []
    log_in(page, desk.host.token)
    expect(page.locator("#runners-note")).to_be_visible()
    expect(page.locator("#host-facts")).to_contain_text("Memory")
    assert violations(page) == []
    desk.server.create("ci-1", wait="online")
    expect(row(page, "ci-1")).to_contain_text("idle", timeout=20_000)
    with desk.job("ci-1", "build"):
        expect(row(page, "ci-1")).to_contain_text("busy", timeout=20_000)
        expect(page.locator("#jobs tbody tr").first).to_contain_text("running", timeout=20_000)
        assert violations(page) == []
        for opened, closed_by in (
            ("ci-1", "Close"),
            ("New runner", "Cancel"),
            ("Remove ci-1", "Cancel"),
            ("Sessions", "Close"),
        ):
            page.get_by_role("button", name=opened, exact=True).click()
            dialog = page.get_by_role("dialog")
            expect(dialog).to_be_visible()
            page.wait_for_load_state("networkidle") if opened == "Sessions" else None
            assert violations(page) == []
            dialog.get_by_role("button", name=closed_by, exact=True).click()
            expect(dialog).to_be_hidden()
    assert desk.complaints == []


def test_axe_sees_what_is_wrong(desk: Desk) -> None:
    page = desk.page()
    page.evaluate("document.querySelector('label[for=login-token]').remove()")
    assert any("label" in each for each in violations(page))


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.innerText"))


def test_all_is_reached_by_keyboard_and_focus_stays_where_it_was(desk: Desk) -> None:
    desk.server.create("ci-1", wait="online")
    page = desk.page()
    expect(page.get_by_label("Token")).to_be_focused()
    page.keyboard.type(desk.host.token)
    page.keyboard.press("Enter")
    expect(row(page, "ci-1")).to_contain_text("idle", timeout=20_000)
    expect(page.locator("main")).to_be_focused()
    reached = []
    for _ in range(25):
        page.keyboard.press("Tab")
        reached.append(focused(page))
    for name in ("New runner", "Name", "State", "ci-1", "Drain ci-1", "Remove ci-1"):
        assert name in reached, reached
    page.get_by_role("button", name="Drain ci-1").focus()
    desk.server.create("ci-0", wait="online")  # a row before it
    expect(row(page, "ci-0")).to_contain_text("idle", timeout=20_000)
    assert focused(page) == "Drain ci-1"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    assert focused(page) == "Cancel"  # what changes nothing is the first
    page.keyboard.press("Escape")
    assert focused(page) == "Drain ci-1"
    assert desk.server.status("ci-1")["state"] == "idle"
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Drain").press("Enter")
    expect(row(page, "ci-1").locator(".badge").first).to_have_text("removed", timeout=20_000)
    assert focused(page) == "ci-1"  # its buttons have gone


def test_sorting_says_so_and_keeps_the_focus(desk: Desk) -> None:
    for name in ("b", "a"):
        desk.server.create(name)
    page = desk.logged_in()
    expect(page.locator("#runners tbody tr")).to_have_count(2)
    names = page.locator("#runners tbody th button")
    expect(names).to_have_text(["a", "b"])
    head = page.get_by_role("columnheader", name="Name")
    expect(head).to_have_attribute("aria-sort", "ascending")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(names).to_have_text(["b", "a"])
    assert focused(page) == "Name"
    expect(page.locator("[aria-sort]")).to_have_count(1)


def test_what_happens_is_told_to_screen_readers(desk: Desk) -> None:
    desk.server.create("ci-1", wait="online")
    page = desk.logged_in()
    page.evaluate(
        """() => { window.told = [];
        new MutationObserver(() => window.told.push(document.getElementById("announcer").textContent))
          .observe(document.getElementById("announcer"), { childList: true }); }"""
    )
    page.get_by_role("button", name="Remove ci-1").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    until(lambda: "ci-1: removed" in page.evaluate("window.told"))
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("banner").count() == 1
    for region in ("Overview", "Runners", "Jobs", "Host", "Orphans", "Events"):
        expect(page.get_by_role("region", name=region)).to_be_visible()
