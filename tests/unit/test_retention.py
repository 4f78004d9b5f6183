"""What ended goes after a while, and nothing else does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import Runner, RunnerQuery
from runnerctl.core.domain.states import RunnerState as S
from runnerctl.core.services import Services
from tests.support.hosts.host import Host

DAY = 86400.0
NOTHING = core.Pruned()


class HeldClock(SystemClock):
    """Goes on only when it is told to."""

    def __init__(self) -> None:
        self.at = super().now()

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def services(host: Host, clock: HeldClock) -> Iterator[Services]:
    prepared = Services.open(host.settings())
    held = Services(settings=prepared.settings, clock=clock)
    yield held
    held.close()


def given(services: Services, host: Host, name: str, *states: S, ephemeral: bool = True) -> Runner:
    runner = services.store.admit(host.spec(name, ephemeral=ephemeral), root=services.root(name))
    run_dir = run_dir_of(services, runner.id)
    run_dir.mkdir(parents=True)
    (run_dir / "runner.log").write_text("said\n")
    return services.store.transition(runner, *states) if states else runner


def run_dir_of(services: Services, runner_id: str) -> Path:
    return services.settings.state_dir / "runners" / runner_id


def ended(services: Services, host: Host, name: str) -> Runner:
    return given(services, host, name, S.REMOVING, S.REMOVED)


def has_log(services: Services, runner: Runner) -> bool:
    return run_dir_of(services, runner.id).exists()


def is_known(services: Services, runner: Runner) -> bool:
    return services.store.get(runner.id) is not None


# --- API tokens ---


def test_a_token_that_was_revoked_or_expired_is_known_as_long_as_a_runner_that_ended(
    services: Services, clock: HeldClock
) -> None:
    rights, limits = [Right.RUNNERS_READ], TokenLimits(tenant="acme")
    for name, life in {"revoked": 90, "expired": 1, "rotated": 90, "counts": 90}.items():
        issuing.issue(services, name, rights=rights, limits=limits, life=life * DAY)
    issuing.revoke(services, "revoked")
    issuing.rotate(services, "rotated", grace=DAY)
    clock.at += 30 * DAY
    assert core.prune(services) == NOTHING
    clock.at += 1
    assert core.prune(services) == core.Pruned(tokens=1)
    assert [token.name for token in services.store.tokens(every=True)] == ["expired", "rotated", "counts", "rotated"]
    clock.at += DAY
    assert core.prune(services) == core.Pruned(tokens=2)
    assert services.store.tokens(every=True) == services.store.tokens()
    assert [token.name for token in services.store.tokens()] == ["counts", "rotated"]


# --- Logs ---


def test_a_log_stays_for_seven_days_after_the_end(services: Services, host: Host, clock: HeldClock) -> None:
    gone, lives = ended(services, host, "gone"), given(services, host, "lives", S.REGISTERED, S.STARTING)
    clock.at += 7 * DAY
    assert core.prune(services) == NOTHING
    assert has_log(services, gone)
    clock.at += 1
    assert core.prune(services) == core.Pruned(logs=1)
    assert not has_log(services, gone)
    assert has_log(services, lives)
    assert is_known(services, gone)
    assert core.prune(services) == NOTHING


def test_the_log_of_a_life_that_no_row_knows_goes_by_its_own_age(
    services: Services, host: Host, clock: HeldClock
) -> None:
    stray = run_dir_of(services, "stray")
    stray.mkdir(parents=True)
    os.utime(stray, (clock.at, clock.at))
    assert core.prune(services) == NOTHING
    clock.at += 7 * DAY + 1
    assert core.prune(services) == core.Pruned(logs=1)


def test_how_long_logs_stay_is_a_setting(host: Host, services: Services, clock: HeldClock) -> None:
    runner = ended(services, host, "gone")
    hasty = Services(settings=host.settings(RUNNERCTL_LOG_RETENTION="1h"), clock=clock)
    clock.at += 3601
    assert core.prune(hasty) == core.Pruned(logs=1)
    assert not has_log(services, runner)
    hasty.close()


def test_a_link_in_the_place_of_a_log_is_not_followed(services: Services, clock: HeldClock, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    runs = services.settings.state_dir / "runners"
    runs.mkdir(parents=True, exist_ok=True)
    (runs / "link").symlink_to(tmp_path / "precious")
    os.utime(runs / "link", (clock.at, clock.at), follow_symlinks=False)
    clock.at += 8 * DAY
    assert core.prune(services).logs == 1
    assert (tmp_path / "precious" / "file").exists()


# --- Rows and their events ---


def test_a_life_is_known_for_thirty_days_after_its_end(services: Services, host: Host, clock: HeldClock) -> None:
    old, lives = ended(services, host, "old"), given(services, host, "lives")
    clock.at += 1
    recent = ended(services, host, "recent")
    clock.at += 30 * DAY
    pruned = core.prune(services)
    assert (pruned.lives, pruned.events) == (1, 3)
    assert not is_known(services, old)
    assert not has_log(services, old)
    assert services.store.latest("old") is None
    assert services.store.history(old.id) == []
    assert is_known(services, recent)
    assert len(services.store.history(recent.id)) == 3
    assert is_known(services, lives)


def test_a_life_that_an_orphan_task_needs_stays_known(services: Services, host: Host, clock: HeldClock) -> None:
    runner = ended(services, host, "lost")
    services.store.keep_orphan(runner, reason="GitHub was away")
    clock.at += 400 * DAY
    assert core.prune(services).lives == 0
    assert is_known(services, runner)
    services.store.forget_orphan(runner.id)
    assert core.prune(services).lives == 1


def test_the_latest_life_of_a_name_outlives_the_older_ones(services: Services, host: Host, clock: HeldClock) -> None:
    first = ended(services, host, "again")
    clock.at += 20 * DAY
    second = ended(services, host, "again")
    clock.at += 20 * DAY
    assert core.prune(services).lives == 1
    assert not is_known(services, first)
    assert services.store.latest("again") == second


def test_more_lives_than_one_transaction_takes_go_in_one_call(services: Services, host: Host, clock: HeldClock) -> None:
    for number in range(203):
        runner = services.store.admit(host.spec(f"r{number}"), root=services.root("r"))
        services.store.transition(runner, S.REMOVING, S.REMOVED)
    clock.at += 31 * DAY
    assert core.prune(services).lives == 203
    assert services.store.page(RunnerQuery(every=True)).items == []


def test_a_live_row_is_not_forgotten_even_if_it_is_asked_for(services: Services, host: Host) -> None:
    runner = given(services, host, "lives")
    assert services.store.forget([runner.id]) == 0
    assert is_known(services, runner)


# --- _diag ---


def given_root(services: Services, runner: Runner) -> Path:
    root = services.root(runner.name)
    (root / "_diag").mkdir(parents=True)
    found = root.stat()
    services.store.amend(runner, root_inode=(found.st_dev, found.st_ino))
    return root


def given_file(path: Path, at: float) -> Path:
    path.write_text("line\n")
    os.utime(path, (at, at))
    return path


def test_old_files_in_the_diag_of_a_persistent_runner_go(
    services: Services, host: Host, clock: HeldClock, tmp_path: Path
) -> None:
    root = given_root(services, given(services, host, "steady", ephemeral=False))
    old = given_file(root / "_diag" / "Runner_1-utc.log", clock.at - 7 * DAY - 1)
    young = given_file(root / "_diag" / "Runner_2-utc.log", clock.at - 7 * DAY + 60)
    elsewhere = given_file(root / "old", clock.at - 99 * DAY)
    precious = given_file(tmp_path / "precious", clock.at - 99 * DAY)
    link = root / "_diag" / "link"
    link.symlink_to(precious)
    os.utime(link, (0, 0), follow_symlinks=False)
    pages = root / "_diag" / "pages"
    pages.mkdir()
    os.utime(pages, (0, 0))
    assert core.prune(services) == core.Pruned(diag_files=1)
    assert not old.exists()
    assert all(path.exists() for path in (young, elsewhere, precious, pages))
    assert link.is_symlink()


def test_the_diag_of_an_ephemeral_runner_goes_with_it_and_not_before(
    services: Services, host: Host, clock: HeldClock
) -> None:
    root = given_root(services, given(services, host, "once"))
    old = given_file(root / "_diag" / "Runner_1-utc.log", clock.at - 99 * DAY)
    assert core.prune(services) == NOTHING
    assert old.exists()


@pytest.mark.parametrize("what", ["the root", "_diag"])
def test_a_link_in_the_place_of_a_directory_is_not_followed(
    services: Services, host: Host, clock: HeldClock, tmp_path: Path, what: str
) -> None:
    root = given_root(services, given(services, host, "steady", ephemeral=False))
    (tmp_path / "other" / "_diag").mkdir(parents=True)
    precious = given_file(tmp_path / "other" / "_diag" / "precious", clock.at - 99 * DAY)
    if what == "the root":
        root.rename(tmp_path / "moved")
        root.symlink_to(tmp_path / "other")
    else:
        (root / "_diag").rmdir()
        (root / "_diag").symlink_to(tmp_path / "other" / "_diag")
    assert core.prune(services) == NOTHING
    assert precious.exists()


def test_another_directory_in_the_place_of_the_root_is_left_alone(
    services: Services, host: Host, clock: HeldClock, tmp_path: Path
) -> None:
    root = given_root(services, given(services, host, "steady", ephemeral=False))
    root.rename(tmp_path / "moved")
    (root / "_diag").mkdir(parents=True)
    precious = given_file(root / "_diag" / "precious", clock.at - 99 * DAY)
    assert core.prune(services) == NOTHING
    assert precious.exists()
