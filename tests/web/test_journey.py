"""A day at the dashboard, in a real browser: nothing is reloaded, and nothing is missed."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from runnerctl.core.access import issuing
from tests.support.hosts.host import create, until
from tests.web.desk import REPO, Desk, act, log_in, row

pytestmark = pytest.mark.long

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


def test_a_runner_comes_works_and_goes_before_the_eyes_of_its_operator(desk: Desk) -> None:
    expect.set_options(timeout=20_000)
    page = desk.page()
    log_in(page, "wrong")
    expect(page.locator("#login-error")).to_have_text("That token is wrong, revoked or expired.")
    log_in(page, desk.host.token)
    expect(page.locator("#connection")).to_have_text("Live")
    expect(page.locator("#runners-note")).to_contain_text("There are no runners")
    page.evaluate("window.sameSinceLogin = true")
    it_works_and_finishes(desk, page)
    it_is_drained_and_removed_by_buttons(desk, page)
    nothing_is_missed_while_the_server_restarts(desk, page)
    assert page.evaluate("window.sameSinceLogin") is True
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_focused()
    assert page.request.get(f"{desk.server.url}/api/v1/runners").status == 401
    assert desk.complaints == []


def it_works_and_finishes(desk: Desk, page: Page) -> None:
    assert desk.server.create("ci-1", wait="online").status_code == 201
    state = row(page, "ci-1").locator(".badge").first
    expect(state).to_have_text("idle")
    page.get_by_role("button", name="ci-1", exact=True).click()
    log = page.get_by_role("log")
    expect(log).to_contain_text("Listening for Jobs")
    with desk.job("ci-1", HOSTILE):
        expect(log).to_contain_text(f"Running job: {HOSTILE}")
        expect(page.locator("#panel-state")).to_contain_text("busy")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="ci-1", exact=True)).to_be_focused()
        expect(state).to_have_text("busy")
        expect(row(page, "ci-1")).to_contain_text(HOSTILE)
        expect(row(page, "ci-1").locator("td[data-label=GitHub]")).to_contain_text("online")
        expect(row(page, "ci-1").locator("td[data-label=Memory]")).to_contain_text("MiB")
        page.get_by_role("button", name="Remove ci-1").focus()
    expect(state).to_have_text("completed")
    expect(page.locator("#jobs tbody tr").first).to_contain_text("succeeded")
    expect(page.locator("#jobs tbody tr").first).to_contain_text(HOSTILE)
    expect(page.locator("#event-list")).to_contain_text("ends job")


def it_is_drained_and_removed_by_buttons(desk: Desk, page: Page) -> None:
    for name, what in (("ci-2", "Drain"), ("ci-3", "Remove")):
        page.get_by_role("button", name="New runner").click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Repository or organization").fill(REPO)
        page.get_by_role("button", name="Create").click()
        expect(row(page, name).locator(".badge").first).to_have_text("idle")
        act(page, what, name)
        expect(row(page, name).locator(".badge").first).to_have_text("removed")
    assert desk.services.store.live() == []


def nothing_is_missed_while_the_server_restarts(desk: Desk, page: Page) -> None:
    desk.stop()
    expect(page.locator("#connection")).to_have_text("Not connected, trying again")
    with_nobody_serving = desk.host.services()
    create(with_nobody_serving, desk.host.spec("ci-4"))
    with_nobody_serving.close()
    desk.start()
    expect(page.locator("#connection")).to_have_text("Live")
    expect(row(page, "ci-4").locator(".badge").first).to_have_text("idle")

    def all_are_told() -> bool:
        told = page.locator("#event-list li[data-event]").evaluate_all(
            "nodes => nodes.map(each => +each.dataset.event)"
        )
        happened = [event["id"] for event in events(desk) if event["text"] and event["runner"] == "ci-4"]
        return bool(happened) and set(happened) <= set(told) and len(told) == len(set(told))

    until(all_are_told)


def events(desk: Desk) -> list[dict[str, object]]:
    items: list[dict[str, object]] = desk.server.request("GET", "/api/v1/events?limit=1000").json()["items"]
    return items


def test_a_tenant_sees_its_own_alone_and_is_told_so(desk: Desk) -> None:
    expect.set_options(timeout=20_000)
    assert desk.server.create("operators").status_code == 201
    token = desk.tenants_token()
    page = desk.logged_in(token)
    expect(page.locator("#who")).to_have_text("acme")
    expect(page.get_by_role("heading", name="Your tenant")).to_be_visible()
    for hidden in ("Host", "Orphans"):
        expect(page.get_by_role("heading", name=hidden, exact=True)).to_be_hidden()
    fields = {"repo": REPO, "name": "ours", "labels": "linux"}
    made = desk.server.request("POST", "/api/v1/runners", fields, headers={"Authorization": f"Bearer {token}"})
    assert made.status_code == 201
    expect(row(page, "ours")).to_be_visible()
    assert "operators" not in page.locator("body").inner_text()
    issuing.revoke(desk.services, "acme")
    expect(page.get_by_label("Token")).to_be_visible()
    expect(page.locator("#login-why")).to_have_text("Your session has ended. Log in again.")
    assert "ours" not in page.locator("body").inner_text()
    assert desk.complaints == []
