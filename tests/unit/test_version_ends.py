"""When a version ends: what is made of GitHub's answers, what is remembered of them, and what is said ahead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.domain.models import Scope
from runnerctl.core.domain.version_end import ToldBy, VersionEnd, version_text
from runnerctl.core.github import requests as protocol
from runnerctl.core.github.answers import WireDeprecation
from runnerctl.core.github.errors import decode
from runnerctl.core.github.requests import Answer
from runnerctl.core.packages import told_ends
from runnerctl.core.packages.known_ends import KnownEnds
from runnerctl.core.packages.offers import Offers
from runnerctl.core.packages.told_ends import ToldEnds
from runnerctl.core.packages.version_policy import Told, doubt, end_of, ends_soon, has_ended
from tests.unit.test_releases import HandSetClock

DAY = 86400.0
NOW = 1_793_865_895.0
"""2026-11-05T08:04:55Z."""
KEY = "https://api.github.com octo-org/octo-repo 2.336.0"


def ending(days: float, *, newer: str | None = "2.337.0") -> VersionEnd:
    return end_of("2.336.0", told=Told(NOW + days * DAY, None), unpacked_at=NOW - 400 * DAY, offered=newer)


# -- GitHub's answers


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        (Scope(owner="o", repo="r"), "repos/o/r/actions/runners/deprecations/2.336.0"),
        (Scope(owner="o"), "orgs/o/actions/runners/deprecations/2.336.0"),
    ],
)
def test_each_scope_is_asked_at_its_own_address(scope: Scope, path: str) -> None:
    assert protocol.get_deprecation(scope, "2.336.0").path == path


@pytest.mark.parametrize(
    ("told", "runtime", "registration"),
    [
        ({"runtime_deprecates_at": "2026-11-05T08:04:55Z"}, NOW, None),
        ({"runtime_deprecates_at": None, "registration_deprecates_at": None}, None, None),
        ({}, None, None),
        ({"registration_deprecates_at": "2026-11-05T09:04:55+01:00", "more": 1}, None, NOW),
        ({"runtime_deprecates_at": "2026-11-05T08:04:55"}, NOW, None),
    ],
)
def test_a_date_that_is_absent_is_none(told: dict[str, Any], runtime: float | None, registration: float | None) -> None:
    answer = Answer(status=200, headers={}, body=json.dumps({"runner_version": "2.336.0", **told}).encode())
    request = protocol.get_deprecation(Scope(owner="o"), "2.336.0")
    found = decode(request, answer, WireDeprecation).value()
    assert (found.runtime_at, found.registration_at) == (runtime, registration)


# -- the policy


@pytest.mark.parametrize(
    ("days", "says"),
    [
        (14.1, None),
        (13.9, "gives no more jobs to runners of version 2.336.0 from 2026-11-19 on, in 13 days; it offers 2.337.0"),
        (1.5, "in 1 day;"),
        (0.5, "in less than a day;"),
        (-0.1, "gives no jobs to runners of version 2.336.0 since 2026-11-05; it offers 2.337.0"),
    ],
)
def test_an_end_is_said_14_days_ahead(days: float, says: str | None) -> None:
    found = doubt(ending(days), NOW)
    assert found is None if says is None else says in str(found)
    assert ends_soon(ending(days), NOW) is (says is not None)
    assert has_ended(ending(days), NOW) is (days <= 0)


def test_where_nothing_newer_is_offered_that_is_said_too() -> None:
    assert "no newer one is known to be offered" in str(doubt(ending(3, newer=None), NOW))


def test_githubs_date_outweighs_the_packages_age_and_no_date_means_no_end() -> None:
    aged = end_of("2.336.0", told=None, unpacked_at=NOW - 40 * DAY, offered="2.337.0")
    assert (aged.told_by, has_ended(aged, NOW)) == (ToldBy.AGE, False), "our own reckoning proves no end"
    assert doubt(aged, NOW) is not None
    assert doubt(end_of("2.336.0", told=Told(None, None), unpacked_at=NOW - 40 * DAY, offered="2.337.0"), NOW) is None


def test_that_no_more_can_register_is_said_too() -> None:
    told = Told(None, NOW + 5 * DAY)
    end = end_of("2.336.0", told=told, unpacked_at=None, offered=None)
    assert "lets no runner of version 2.336.0 register from 2026-11-10 on" in str(doubt(end, NOW))
    assert not ends_soon(end, NOW), "what runs goes on"


def test_the_days_that_are_left_are_shown_with_the_version() -> None:
    assert version_text(ending(12.5), NOW) == "2.336.0, jobs until 2026-11-17 (12 days left)"
    assert version_text(ending(-1), NOW) == "2.336.0, no jobs since 2026-11-04"
    assert version_text(VersionEnd("2.336.0"), NOW) == "2.336.0"


# -- what is remembered


@pytest.fixture
def clock() -> HandSetClock:
    return HandSetClock()


@pytest.fixture
def told(tmp_path: Path, clock: HandSetClock) -> ToldEnds:
    return ToldEnds(tmp_path / "version-ends.json", clock=clock)


def test_github_is_asked_once_in_six_hours_whatever_it_answered(told: ToldEnds, clock: HandSetClock) -> None:
    assert told.is_due(KEY)
    for answer in (Told(NOW, None), None):
        told.answered(KEY, answer)
        assert not told.is_due(KEY)
        clock.time += told_ends.CACHE_SECONDS - 1
        assert not told.is_due(KEY)
        clock.time += 2
        assert told.is_due(KEY)
    told.put_off(KEY)
    clock.time += told_ends.RETRY_SECONDS + 1
    assert told.is_due(KEY)


def test_a_date_that_was_told_once_outlives_answers_that_tell_none(told: ToldEnds, clock: HandSetClock) -> None:
    told.answered(KEY, Told(NOW, None))
    told.answered(KEY, None)
    told.put_off(KEY)
    again = ToldEnds(told.path, clock=clock)
    assert again.of(KEY) == Told(NOW, None)
    told.answered(KEY, Told(None, NOW))
    assert again.of(KEY) == Told(None, NOW), "what GitHub takes back is taken back"
    assert again.of(f"{KEY}0") is None


def test_a_clock_that_is_set_back_makes_nobody_wait(told: ToldEnds, clock: HandSetClock) -> None:
    told.answered(KEY, None)
    clock.time -= 86400 * 365
    assert told.is_due(KEY)


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "null", '{"KEY": 1}', '{"KEY": {"told": [1]}}', '{"KEY": {"told": 7}}']
)
def test_a_damaged_file_is_empty_and_replaced(told: ToldEnds, text: str) -> None:
    told.path.write_text(text.replace("KEY", KEY))
    assert told.of(KEY) is None
    assert told.is_due(KEY)
    told.answered(KEY, Told(1.0, None))
    assert told.of(KEY) == Told(1.0, None)


def test_what_nobody_asks_about_any_more_is_dropped(told: ToldEnds, clock: HandSetClock) -> None:
    told.answered("old", Told(1.0, None))
    clock.time += told_ends.FORGET_SECONDS + told_ends.CACHE_SECONDS
    told.answered(KEY, None)
    assert list(json.loads(told.path.read_text())) == [KEY]


def test_an_end_is_worked_out_once_until_a_file_changes_unless_it_may_go_by_age(tmp_path: Path) -> None:
    path = tmp_path / "version-ends.json"
    now: list[float] = [0.0]
    known, asked = KnownEnds(path, tmp_path / "releases.json", monotonic=lambda: now[0]), []

    def end(**more: Any) -> VersionEnd:
        def work_out() -> VersionEnd:
            asked.append(more)
            return VersionEnd("2.336.0", **more)

        return known.get("key", work_out)

    for may_go_by_age in ({"newer": "2.337.0"}, {"told_by": ToldBy.AGE, "newer": "2.337.0"}):
        assert end(**may_go_by_age) == end(**may_go_by_age)
    assert len(asked) == 4
    assert end(told_by=ToldBy.GITHUB, newer="2.337.0") == end(told_by=None) == end(told_by=None)
    assert len(asked) == 5
    path.write_text("{}")
    assert end(told_by=None).told_by is ToldBy.GITHUB, "it is looked at once a second"
    now[0] += 1
    assert end().told_by is None
    assert end() == end(newer="2.338.0")
    assert len(asked) == 6


def test_the_newest_offer_is_read_anew_when_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "releases.json"
    offers = Offers(path)

    def newest(key: str = "api ") -> str | None:
        return offers.newest(platform="linux-x64", key=key)

    assert newest() is None
    entries = {"api o/a linux-x64": "2.336.0", "api o/b linux-x64": "2.1000.0", "api o/a linux-arm64": "2.2000.0"}
    path.write_text(json.dumps({key: {"at": 1, "release": {"version": each}} for key, each in entries.items()}))
    assert newest() == "2.1000.0"
    assert newest("api o/a ") == "2.336.0"
    path.write_text("{")
    assert newest() is None
