"""Supervisors that die, and those that take over what they leave: real processes throughout."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.host import processes
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create
from tests.support.hosts.supervised import until

pytest_plugins = ("tests.support.breaking.orphans",)

GONE = "line('The runner no longer exists on the server. Cleaning up local configuration.'); "
CLEANED_UP = "os.unlink('.runner'); os._exit(0)"


def change_record(it: Any, **changes: Any) -> None:
    path = it.run_dir / "supervisor.json"
    path.write_text(json.dumps({**it.record, **changes}))


@pytest.mark.parametrize("mark", ["walk", "cgroup"])
def test_the_death_of_a_supervisor_costs_neither_listener_nor_job(orphan, mark):
    it = orphan() if mark == "walk" else orphan().marked_by_cgroup()
    worker = it.started().long_job()
    assert it.record["mark"] == mark
    it.loses_its_supervisor()
    it.may_finish()
    until((it.root / "finished").exists)
    until(lambda: not processes.alive(worker))
    assert processes.alive(it.process("listener"))
    assert not it.backend.supervised(it.handle)
    assert it.backend.observe(it.handle).running


def test_a_job_in_progress_is_adopted_and_completes(orphan):
    it = orphan(ephemeral=True).started()
    worker = it.long_job()
    before = it.record
    it.loses_its_supervisor().adopted()
    assert it.report["listener"] == before["listener"]
    assert it.report["supervisor"] != before["supervisor"]
    record = it.phase("busy")
    for kept in ("online_at", "jobs_run", "job", "restarts", "listener"):
        assert record[kept] == before[kept], kept
    assert it.backend.supervised(it.handle)
    assert it.backend.working(it.handle)
    assert processes.alive(worker)
    it.may_finish()
    it.order("os.waitpid(w, 0); say('Job build completed with result: Succeeded')")
    it.phase("listening")
    it.order(CLEANED_UP)
    record = it.ended()
    assert (record["outcome"], record["reason"], record["jobs_run"]) == ("completed", None, 1)
    assert record["last_job"]["result"] == "Succeeded"
    assert (record["last_exit"]["code"], record["last_exit"]["signal"]) == (None, None)
    assert (it.root / "finished").exists()
    assert processes.marked(it.life) == []
    assert not (it.run_dir / "runner.pid").exists()


def test_what_the_listener_said_meanwhile_is_not_lost(orphan):
    it = orphan().started()
    it.phase("listening")
    it.job()
    it.loses_its_supervisor()
    it.job_ends(result="Failed")
    it.order("open('said', 'w').close()")
    until((it.root / "said").exists)
    record = it.adopted().phase("listening")
    assert (record["last_job"]["name"], record["last_job"]["result"]) == ("build", "Failed")
    it.job("next")
    assert it.record["jobs_run"] == 2


def test_that_it_could_not_connect_is_known_to_the_next_supervisor(orphan):
    it = orphan().started()
    it.phase("listening")
    it.order("say('Runner connect error: Error: ServiceUnavailable. Retrying until reconnected.')")
    it.phase("connecting")
    it.loses_its_supervisor().adopted()
    assert it.phase("connecting")["error"] == "Runner connect error: Error: ServiceUnavailable."
    it.order("say('Runner reconnected.')")
    assert it.phase("listening")["error"] is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_adopted_idle_listener_is_stopped_as_any_other(orphan, number):
    it = orphan().started()
    it.phase("listening")
    it.loses_its_supervisor().adopted().signal(number)
    record = it.ended()
    assert (record["outcome"], record["last_exit"]["meaning"]) == ("stopped", "unknown")
    assert "Exiting..." in it.log
    assert processes.marked(it.life) == []


def test_the_ladder_ends_an_adopted_listener_that_ignores_everything(orphan):
    ignoring = "[signal.signal(number, signal.SIG_IGN) for number in (2, 15)]; line('deaf')"
    it = orphan(stop={"interrupt_seconds": 0.1, "terminate_seconds": 0.1}).started()
    it.order(ignoring)
    it.logged("deaf")
    it.loses_its_supervisor().adopted().signal(signal.SIGINT)
    assert it.ended()["outcome"] == "stopped"
    assert not processes.alive(it.process("listener"))


def test_a_drain_waits_for_the_adopted_job(orphan):
    it = orphan().started()
    worker = it.long_job()
    it.loses_its_supervisor().adopted()
    it.backend.drain(it.handle)
    until(lambda: it.record["stop_asked"] == "drain")
    assert processes.alive(worker)
    it.may_finish()
    it.order("os.waitpid(w, 0); say('Job build completed with result: Succeeded')")
    assert it.ended()["outcome"] == "stopped"
    assert (it.root / "finished").exists()


def test_a_stop_that_was_asked_of_the_one_before_is_still_asked(orphan):
    it = orphan().started()
    it.long_job()
    it.signal(signal.SIGTERM)
    until(lambda: it.record["stop_asked"] == "grace")
    it.loses_its_supervisor().adopted()
    assert it.record["stop_asked"] == "grace"
    it.may_finish()
    it.order("os.waitpid(w, 0); say('Job build completed with result: Succeeded')")
    assert it.ended()["outcome"] == "stopped"


@pytest.mark.parametrize("noted", [True, False])
def test_a_worker_alone_is_waited_for(orphan, noted):
    it = orphan().started()
    worker = it.long_job()
    it.loses_its_supervisor().loses_its_listener()
    if not noted:
        change_record(it, job=None, jobs_run=0)
    it.adopted()
    assert it.report["listener"] is None
    assert it.record["phase"] == "busy"
    assert it.backend.working(it.handle)
    assert it.backend.supervised(it.handle)
    it.may_finish()
    record = it.ended()
    assert not processes.alive(worker)
    assert (it.root / "finished").exists()
    assert (record["outcome"], record["jobs_run"]) == ("failed", 1)
    assert record["reason"] == "its Listener ended while nobody watched"
    assert processes.marked(it.life) == []


@pytest.mark.parametrize("adopted", [True, False])
def test_a_job_outlives_the_violent_death_of_its_listener(orphan, adopted):
    it = orphan().started()
    it.long_job()
    if adopted:
        it.loses_its_supervisor().adopted()
    it.loses_its_listener()
    until(lambda: it.record["last_exit"])
    assert it.record["phase"] == "busy"
    it.may_finish()
    record = it.ended()
    assert (it.root / "finished").exists()
    assert record["outcome"] == "failed"
    assert record["last_job"]["ended_at"] >= record["last_exit"]["at"]


def test_a_worker_alone_is_a_runner_that_runs(orphan):
    it = orphan().started()
    worker = it.long_job()
    it.loses_its_supervisor().loses_its_listener()
    for adopt in (lambda: None, it.adopted):
        adopt()
        seen = it.backend.observe(it.handle)
        assert (seen.running, seen.pid, seen.phase, seen.job) == (True, worker.pid, "busy", "build")
    it.may_finish()
    it.ended()
    assert it.backend.observe(it.handle).gone


def test_a_stop_that_the_one_before_did_not_live_to_hear_needs_no_other_occasion(orphan):
    it = orphan().started()
    it.phase("listening")
    it.loses_its_supervisor()
    (it.run_dir / "drain").touch()
    it.adopted()
    assert it.ended()["outcome"] == "stopped"


def test_who_asks_an_adopter_for_the_stop_that_it_goes_on_with_does_not_hurry_it(orphan):
    """It is asked again because the one before may have died too early: that is no impatience."""
    it = orphan().started()
    it.order("signal.signal(2, signal.SIG_IGN); line('deaf')")
    it.logged("deaf")
    it.loses_its_supervisor()
    change_record(it, stop_asked="now")
    it.adopted().signal(signal.SIGINT)
    it.order("time.sleep(0.2); say('Exiting...'); os._exit(0)")
    it.ended()
    assert "Stopping: interrupt" in it.log
    assert "Stopping: terminate" not in it.log


def test_a_stop_now_ends_a_worker_alone(orphan):
    it = orphan().started()
    worker = it.long_job()
    it.loses_its_supervisor().loses_its_listener().adopted()
    it.signal(signal.SIGINT)
    assert it.ended()["outcome"] == "stopped"
    assert not processes.alive(worker)


@pytest.mark.parametrize(
    ("ephemeral", "ran", "end", "outcome", "reason"),
    [
        pytest.param(True, True, CLEANED_UP, "completed", None, id="ephemeral did its job"),
        pytest.param(True, True, "os._exit(0)", "failed", "nobody watched", id="ephemeral with its identity left"),
        pytest.param(True, False, CLEANED_UP, "deleted", "deleted", id="ephemeral never worked"),
        pytest.param(False, True, "os._exit(1)", "failed", "nobody watched", id="persistent"),
        pytest.param(False, False, GONE + CLEANED_UP, "deleted", "deleted", id="persistent is deleted"),
        pytest.param(
            False, False, CLEANED_UP, "failed", "nobody watched", id="persistent, and somebody took its identity"
        ),
    ],
)
def test_an_exit_that_nobody_could_see_has_its_outcome(orphan, ephemeral, ran, *, end, outcome, reason):
    it = orphan(ephemeral=ephemeral).started()
    it.phase("listening")
    if ran:
        it.job()
        it.job_ends()
        it.phase("listening")
    it.loses_its_supervisor().adopted().order(end)
    record = it.ended()
    assert record["outcome"] == outcome
    assert record["reason"] is None if reason is None else reason in record["reason"]


def test_an_update_in_progress_is_waited_for_and_the_new_program_started(orphan):
    it = orphan().started()
    it.phase("listening")
    it.loses_its_supervisor().adopted()
    it.order("line('Runner update in progress, do not shutdown runner.')")
    it.phase("updating")
    it.order("open('script', 'w').write('sleep 0.1; touch update.finished updated')")
    it.order("shell('. ./script', {'PATH': '/usr/bin:/bin'}); os._exit(3)")
    until(lambda: it.record["restarts"] == 1)
    assert (it.root / "updated").exists()
    it.phase("listening")
    it.signal(signal.SIGINT)
    assert it.ended()["last_exit"]["code"] == 0  # this one is its own child


def test_a_listener_that_its_supervisor_had_no_time_to_note_is_found(orphan):
    it = orphan().started()
    it.phase("listening")
    listener = it.report["listener"]
    it.loses_its_supervisor()
    change_record(it, listener=None, phase="starting")
    assert it.adopted().report["listener"] == listener


def test_a_job_whose_last_line_was_lost_does_not_last_for_ever(orphan):
    it = orphan().started()
    it.phase("listening")
    it.loses_its_supervisor()
    change_record(it, phase="busy", job={"name": "lost", "started_at": time.time() - 100}, jobs_run=1)
    it.adopted()
    record = it.phase("listening")
    assert (record["job"], record["last_job"]["name"], record["last_job"]["result"]) == (None, "lost", None)


def test_where_nothing_lives_there_is_nothing_to_adopt(orphan):
    it = orphan().started()
    it.phase("listening")
    it.loses_its_supervisor().loses_its_listener()
    before = it.record
    result = it.adopt()
    assert result.returncode == 6
    assert "neither a Listener nor a Worker" in json.loads(result.stdout)["error"]
    assert it.backend.adopt(it.handle) is False
    assert it.record == before


def test_a_pid_that_became_anothers_is_not_adopted(orphan):
    it = orphan().started()
    it.phase("listening")
    it.loses_its_supervisor().loses_its_listener()
    stranger = processes.identify(os.getpid())
    assert stranger is not None
    change_record(it, listener={"pid": stranger.pid, "start_ticks": stranger.start_ticks + 1})
    assert it.adopt().returncode == 6
    change_record(it, listener={"pid": stranger.pid, "start_ticks": stranger.start_ticks}, boot_id="another")
    assert it.adopt().returncode == 6


def test_a_runner_that_has_a_supervisor_is_not_adopted(orphan):
    it = orphan().started()
    it.phase("listening")
    assert it.adopt().returncode == 5
    assert it.backend.adopt(it.handle) is True
    assert processes.alive(it.process())


def test_a_broken_record_costs_what_it_knew_and_no_more(orphan):
    it = orphan().started()
    it.phase("listening")
    it.loses_its_supervisor()
    (it.run_dir / "supervisor.json").write_text("{")
    it.adopted()
    assert it.record["listener"] == it.report["listener"]
    it.signal(signal.SIGINT)
    assert it.ended()["outcome"] == "stopped"


def test_an_adopter_is_as_small_as_any_supervisor(orphan):
    it = orphan().started()
    it.phase("listening")
    it.loses_its_supervisor().adopted()
    rollup = Path(f"/proc/{it.pid}/smaps_rollup").read_text()
    kilobytes = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", rollup, re.MULTILINE)}
    assert kilobytes["Rss"] <= 14 * 1024
    assert kilobytes["Private_Clean"] + kilobytes["Private_Dirty"] <= 6 * 1024


def test_a_real_job_survives_its_supervisor_and_its_runner_leaves_nothing(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    go = host.top / "go"
    script = f"while [ ! -e {go} ]; do sleep 0.02; done; echo finished well"
    job = sandbox.submit_job("acme/widgets", ["one"], [{"name": "Work", "run": script}])
    until(lambda: routed.working(services, runner))
    supervisor = routed.processes(services, runner)[0]
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not routed.supervised(services, runner))
    assert routed.adopt(services, runner)
    assert routed.supervised(services, runner)
    go.touch()
    finished = sandbox.wait_job(job, timeout=20)
    assert finished.conclusion == "success"
    assert any("finished well" in line for line in finished.lines)
    until(lambda: not services.store.get(runner.id).live)  # type: ignore[union-attr]
    assert services.store.get(runner.id).state is RunnerState.COMPLETED  # type: ignore[union-attr]
    until(lambda: not host.processes())
    assert (host.roots(), host.cgroups(), sandbox.runners()) == ([], [], [])
