"""What the page shows when there is nothing, when it may not, when nobody answers, and when a change is refused."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from runnerctl.core.access.policy import Right
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import RunnerState
from tests.support.hosts.host import until
from tests.web.desk import Desk, act, row


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=20_000)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """A page of somebody else's, at another port of this host."""
    (tmp_path / "site").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()


def test_loading_is_said_and_an_empty_host_says_what_to_do(desk: Desk) -> None:
    page = desk.page()
    expect(page.get_by_label("Token")).to_be_visible()
    held: list[Route] = []
    page.route("**/api/v1/session", lambda route: held.append(route))  # noqa: PLW0108 - Playwright wants a function of ours
    page.reload()
    expect(page.locator("#loading")).to_be_visible()
    until(lambda: page.title() and held)
    held[0].continue_()
    page.unroute("**/api/v1/session")
    page.get_by_label("Token").fill(desk.host.token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#runners-note")).to_contain_text("“New runner” makes one")
    expect(page.locator("#jobs-note")).to_have_text("No job ran in this time.")
    expect(page.locator("#orphans-note")).to_have_text("Nothing is left behind.")
    expect(page.locator("#events-note")).to_have_text("Nothing has happened yet.")
    expect(page.locator("#host-facts")).to_contain_text("No runner lives.")


def test_a_token_that_may_only_look_has_no_buttons_and_one_that_may_not_look_is_told(desk: Desk) -> None:
    desk.server.create("ci-1")
    reader = desk.logged_in(desk.tenants_token("readers", Right.RUNNERS_READ))
    expect(reader.locator("#runners-note")).to_have_text("There are no runners.")
    expect(reader.get_by_role("button", name="New runner")).to_be_hidden()
    metrics = desk.page()
    metrics.get_by_label("Token").fill(desk.tenants_token("metrics", Right.METRICS_READ))
    metrics.get_by_role("button", name="Log in").click()
    expect(metrics.locator("#runners-note")).to_contain_text("lacks the scope runners:read")
    assert desk.complaints == []


def test_a_refusal_is_told_in_the_servers_words_where_it_was_asked_for(desk: Desk) -> None:
    page = desk.logged_in()
    page.get_by_role("button", name="New runner").click()
    page.get_by_label("Name", exact=True).fill("ci-1")
    page.get_by_label("Repository or organization").fill("not a repository/x")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#create-error")).to_contain_text("not a repository")
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_runner_with_a_job_is_removed_only_after_a_second_question(desk: Desk) -> None:
    desk.server.create("ci-1", wait="online")
    page = desk.logged_in()
    with desk.job("ci-1", "build"):
        expect(row(page, "ci-1")).to_contain_text("busy")
        act(page, "Remove", "ci-1")
        expect(page.get_by_role("dialog")).to_contain_text("kills the job")
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        assert desk.server.status("ci-1")["state"] == "busy"
        act(page, "Remove", "ci-1")
        page.get_by_role("button", name="Kill the job and remove").click()
        expect(row(page, "ci-1").locator(".badge").first).to_have_text("removed")


def test_a_drain_is_taken_back_while_the_job_runs(desk: Desk) -> None:
    desk.server.create("ci-1", wait="online")
    page = desk.logged_in()
    with desk.job("ci-1", "build"):
        expect(row(page, "ci-1")).to_contain_text("busy")
        act(page, "Drain", "ci-1")
        expect(row(page, "ci-1")).to_contain_text("after its job")
        page.get_by_role("button", name="Undrain ci-1").click()
        expect(row(page, "ci-1").locator(".badge").first).to_have_text("busy")
        assert desk.server.request("GET", "/api/v1/runners/ci-1").json()["desired"] == "running"


@pytest.mark.persistent
def test_a_persistent_runner_is_stopped_started_and_restarted(desk: Desk) -> None:
    desk.server.create("ci-1", ephemeral=False, wait="online")
    page = desk.logged_in()
    state = row(page, "ci-1").locator(".badge").first
    act(page, "Restart", "ci-1")
    expect(state).to_have_text("idle")
    act(page, "Stop", "ci-1")
    expect(state).to_have_text("stopped")
    page.get_by_role("button", name="Start ci-1").click()
    expect(state).to_have_text("idle")


def test_a_server_that_does_not_answer_is_told_and_what_was_shown_stays(desk: Desk) -> None:
    desk.server.create("ci-1", wait="online")
    page = desk.logged_in()
    expect(row(page, "ci-1")).to_contain_text("idle")
    desk.stop()
    expect(page.locator("#connection")).to_have_text("Not connected, trying again")
    expect(page.get_by_role("alert").filter(has_text="The server does not answer.")).to_be_visible()
    expect(row(page, "ci-1")).to_contain_text("idle")
    desk.start()
    expect(page.locator("#trouble")).to_be_hidden()


def test_an_orphan_is_shown_with_its_command_and_forgotten(desk: Desk) -> None:
    runner = desk.services.store.admit(desk.host.spec("lost"), root=desk.host.base_dir / "lost")
    desk.services.store.transition(runner, RunnerState.REMOVING, RunnerState.REMOVED)
    desk.services.store.keep_orphan(runner, reason="GitHub did not answer", seconds=3600)
    page = desk.logged_in()
    orphans = page.get_by_role("region", name="Orphans")
    expect(orphans).to_contain_text("GitHub did not answer")
    expect(orphans).to_contain_text(re.compile(r"runnerctl orphans clear \d+"))
    orphans.get_by_role("button", name=re.compile("^Forget")).click()
    page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(page.locator("#trouble")).to_be_hidden()
    expect(orphans).to_contain_text("Nothing is left behind.")
    assert desk.services.store.orphans() == []


def test_sessions_are_listed_and_another_browser_is_put_out(desk: Desk) -> None:
    here, there = desk.logged_in(), desk.logged_in(user_agent="Phone/1.0")
    here.get_by_role("button", name="Sessions").click()
    other = here.get_by_role("dialog").get_by_role("listitem").filter(has_text="Phone/1.0")
    other.get_by_role("button").click()
    expect(other).to_have_count(0)
    expect(there.get_by_label("Token")).to_be_visible()
    expect(here.get_by_role("dialog").get_by_role("listitem")).to_have_count(1)
    here.get_by_role("dialog").get_by_role("listitem").get_by_role("button").click()
    expect(here.get_by_label("Token")).to_be_focused()


@pytest.mark.parametrize("result", ["succeeded", "failed", "cancelled", None])
def test_the_chart_says_in_words_what_it_draws(desk: Desk, result: str | None) -> None:
    runner = desk.services.store.admit(desk.host.spec("ci-1"), root=desk.host.base_dir / "ci-1")
    now = desk.services.clock.now()
    for number in range(3):
        job = SeenJob(
            name=f"job {number}", started_at=now - 60 - number, ended_at=now, result=result, result_from="log"
        )
        desk.services.store.note_job(runner.id, job)
    page = desk.logged_in()
    kind = result if result in {"succeeded", "failed"} else "other"
    expect(page.get_by_role("img", name=re.compile(rf"3 jobs in the last 24 hours: .*3 {kind}"))).to_be_visible()
    expect(page.locator(f"#chart rect.{kind}")).not_to_have_count(0)
    page.get_by_label("Time").select_option("30d")
    expect(page.get_by_role("img", name=re.compile("3 jobs in the last 30 days"))).to_be_visible()


def test_the_chosen_theme_outlives_a_reload(desk: Desk) -> None:
    page = desk.page(color_scheme="light")

    def ground(page: Page) -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = ground(page)
    for _ in range(2):
        page.get_by_role("button", name="Theme").click()
    dark = ground(page)
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert ground(page) == dark != light


def test_a_page_at_another_port_of_this_host_changes_nothing_and_frames_nothing(desk: Desk, elsewhere: str) -> None:
    """The same site to a browser: it sends the cookie along."""
    desk.server.create("ci-1", wait="online")
    page = desk.logged_in()
    answers: dict[str, int] = {}
    page.on("response", lambda answer: answers.update({f"{answer.request.method} {answer.url}": answer.status}))
    page.goto(elsewhere)
    stop = f"{desk.server.url}/api/v1/runners/ci-1/stop"
    page.evaluate("url => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include' })", stop)
    assert answers[f"POST {stop}"] == 403
    assert desk.server.status("ci-1")["state"] == "idle"
    page.evaluate(
        "url => { document.body.append(Object.assign(document.createElement('iframe'), { src: url })) }",
        desk.server.url,
    )
    until(lambda: page.title() is not None and f"GET {desk.server.url}/" in answers)
    assert not any(frame.url.startswith(desk.server.url) for frame in page.frames)
