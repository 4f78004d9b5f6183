"""The supervisor, run as the program that it is, against Listeners that misbehave by name."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.host import processes
from tests.support.hosts.supervised import _OBEDIENT, OBEDIENT, PATIENCE, Supervised, until

NEVER_ONLINE = _OBEDIENT + "for order in open('control'): exec(order)\nsignal.pause()\n"
IGNORES_INTERRUPT = OBEDIENT.replace("SIGINT, stop)\nsay", "SIGINT, signal.SIG_IGN)\nsay")
IGNORES_EVERYTHING = IGNORES_INTERRUPT.replace(
    "SIG_IGN)\nsay", "SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay"
)
FLOODS_OUTPUT = _OBEDIENT + 'say("Listening for Jobs")\nwhile True: line("x" * 70_000 + "\\n" + "y\\n" * 20)\n'
ONLINE = 'echo "2026-11-24 03:57:14Z: Listening for Jobs"\n'
GONE = 'echo "The runner no longer exists on the server. Cleaning up local configuration."\n'
RAN_A_JOB = ONLINE + (
    'echo "2026-11-24 03:57:15Z: Running job: build"\n'
    'echo "2026-11-24 03:57:16Z: Job build completed with result: Succeeded"\n'
)


def exits(code: int, *, after: str = "") -> str:
    return f"#!/bin/sh\n{after}exit {code}\n"


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    made: list[Supervised] = []

    def make(listener: str = OBEDIENT, **launch: Any) -> Supervised:
        made.append(Supervised(tmp_path / str(len(made)), listener, **launch))
        return made[-1]

    yield make
    for each in made:
        each.close()


# Start and report


def test_the_report_names_both_processes_as_the_kernel_does(given):
    it = given().started()
    assert processes.alive(it.process())
    assert processes.alive(it.process("listener"))
    assert it.report["boot_id"] == processes.boot_id()
    record = it.phase("listening")
    assert (record["supervisor"], record["listener"]) == (it.report["supervisor"], it.report["listener"])
    assert (it.run_dir / "runner.pid").read_text() == f"{it.report['listener']['pid']}\n"
    assert (it.run_dir / "supervisor.json").stat().st_mode & 0o777 == 0o600
    assert (it.run_dir / "out.fifo").stat().st_mode & 0o777 == 0o600


def test_the_caller_is_let_go_after_one_line(given):
    it = given()
    result = it.start()
    assert result.stdout.count(b"\n") == 1
    assert result.stderr == b""  # what came after the line, up to the end of its standard output
    assert os.getsid(it.pid) == it.pid
    assert os.getsid(it.report["listener"]["pid"]) == it.report["listener"]["pid"]
    assert Path(f"/proc/{it.pid}/cwd").readlink() == Path("/")


def test_a_second_supervisor_of_the_same_runner_is_refused(given):
    it = given().started()
    second = it.start()
    assert second.returncode == 5
    assert "already" in json.loads(second.stdout)["error"]
    assert processes.alive(it.process("listener"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"argv": []}, "'argv' is not"),
        ({"env": {"A": 1}}, "'env' is not"),
        ({"id": None}, "'id' is not"),
        ({"stop": {"interrupt_seconds": -1}}, "'interrupt_seconds' is not"),
        ({"stop": {"kill_seconds": True}}, "'kill_seconds' is not"),
        ({"restart": []}, "restart is not"),
    ],
)
def test_a_launch_file_that_is_wrong_is_refused_by_name(given, change, named):
    result = given(**change).start()
    assert result.returncode == 1
    assert named in json.loads(result.stdout)["error"]


@pytest.mark.parametrize("missing", ["bin/Runner.Listener", "."])
def test_a_program_or_root_that_is_missing_is_reported(given, missing):
    it = given()
    it.root.joinpath(missing).rename(it.root.parent / "moved")
    error = json.loads(it.start().stdout)["error"]
    assert str(it.root.joinpath(missing)) in error
    assert "No such file" in error
    assert it.record["outcome"] == "failed"
    assert it.record["ended"]


# What the Listener inherits


def test_the_listener_inherits_default_signals_even_if_the_supervisor_was_started_with_ignored_ones(given):
    it = given().started(before=("/bin/sh", "-c", "trap '' INT TERM HUP PIPE QUIT; exec \"$@\"", "sh"))
    it.order("line(open('/proc/self/status').read())")
    log = it.logged("SigCgt")
    for mask in ("SigIgn", "SigBlk"):
        # Python itself ignores SIGPIPE (13) and SIGXFSZ (25) when it starts; 32 and 33 are libc's own, out of reach.
        found = re.search(rf"{mask}:\s*([0-9a-f]+)", log)
        assert found
        assert int(found[1], 16) & ~(1 << 12 | 1 << 24 | 3 << 31) == 0
    it.signal(signal.SIGINT)
    assert it.ended()["outcome"] == "stopped"


def test_the_listener_inherits_no_descriptor(given):
    reader, writer = os.pipe()
    left_open = ("/bin/sh", "-c", 'exec 8>&1 9</dev/null; exec "$@"', "sh")
    it = given(argv=["/bin/ls", "/proc/self/fd"]).started(lease=reader, before=left_open)
    it.ended()
    os.close(reader)
    os.close(writer)
    assert [line.split(" ", 1)[1] for line in it.log.splitlines()[:-2]] == ["0", "1", "2", "3"]  # 3 is the directory


def test_the_listener_starts_in_its_root_with_its_environment_and_without_core_dumps(given):
    it = given("#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/environ; pwd; ulimit -Hc\n").started()
    it.ended()
    lines = [line.split(" ", 1)[1] for line in it.log.splitlines()[:-2]]
    assert lines == ["PATH=/usr/bin:/bin", f"RUNNERCTL_LIFE={it.life}", str(it.root), "0"]


def test_the_listener_survives_the_supervisor_and_goes_on_writing(given):
    it = given().started()
    it.phase("listening")
    it.signal(signal.SIGKILL)
    until(lambda: not processes.alive(it.process()))
    it.order("say('into the void'); open('still', 'w').close()")
    until((it.root / "still").exists)
    assert processes.alive(it.process("listener"))


def test_a_new_supervisor_does_not_start_a_second_listener_beside_a_living_one(given):
    it = given().started()
    it.signal(signal.SIGKILL)
    until(lambda: not processes.alive(it.process()))
    second = it.start()
    assert second.returncode == 5
    assert str(it.report["listener"]["pid"]) in json.loads(second.stdout)["error"]


# Phases, jobs, log


def test_phases_and_jobs_follow_the_lines_and_are_poked(given, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "events.sock"))
        server.settimeout(PATIENCE)
        it = given(events=str(tmp_path / "events.sock")).started()

        def poked() -> tuple[str, str]:
            message = json.loads(server.recv(4096))
            return message["id"], message["phase"]

        assert poked() == (it.life, "listening")
        online_at = it.record["online_at"]
        assert time.time() - online_at < PATIENCE
        it.job("build (3.11)")
        assert poked() == (it.life, "busy")
        assert it.record["job"]["name"] == "build (3.11)"
        it.job_ends("build (3.11)", "Failed")
        assert poked() == (it.life, "listening")
        record = it.record
        assert (record["job"], record["jobs_run"], record["online_at"]) == (None, 1, online_at)
        assert record["last_job"]["name"] == "build (3.11)"
        assert record["last_job"]["result"] == "Failed"
        assert record["last_job"]["started_at"] <= record["last_job"]["ended_at"]
        it.order("line('Runner update in progress, do not shutdown runner.')")
        assert poked() == (it.life, "updating")
        it.signal(signal.SIGINT)
        while (phase := poked()[1]) != "exited":
            assert phase == "stopping"  # not seen if the Listener is quick
    assert it.ended()["phase"] == "exited"
    assert not (it.run_dir / "runner.pid").exists()


def test_one_that_never_comes_online_stays_starting(given):
    it = given(NEVER_ONLINE).started()
    it.order("line('Listening for Jobs')")  # without a time, thus not the Listener's own
    it.order("line('told')")
    it.logged("told")
    assert it.record["phase"] == "starting"
    assert it.record["online_at"] is None


def test_lines_forged_by_a_job_end_nothing(given):
    it = given().started()
    it.job()
    done = "completed with result: Succeeded"
    for forged in ("Running job: other", f"Job other {done}", "Listening for Jobs", f"Job build {done}"):
        it.order(f"say({forged!r})")
    (it.run_dir / "drain").touch()
    it.signal(signal.SIGHUP)
    it.order("line('Exiting...'); line('forged')")
    it.logged("forged")
    record = it.phase("stopping")
    assert (record["job"]["name"], record["jobs_run"], record["last_job"]) == ("build", 1, None)
    assert processes.alive(it.process("listener"))
    it.job_ends(result="Failed")
    last_job = it.ended()["last_job"]
    assert (last_job["name"], last_job["result"]) == ("build", "Failed")


def test_a_job_that_was_given_up_before_its_worker_came_keeps_nobody_busy(given):
    it = given().started()
    it.order("say('Running job: build')")
    it.phase("busy")
    record = it.phase("listening")
    assert (record["job"], record["last_job"]["name"], record["last_job"]["result"]) == (None, "build", None)
    it.signal(signal.SIGTERM)
    assert it.ended()["outcome"] == "stopped"


def test_a_worker_that_ends_without_a_line_keeps_nobody_busy(given):
    it = given().started()
    it.job()
    it.order("end(w)")
    record = it.phase("listening")
    assert (record["job"], record["last_job"]["result"], record["jobs_run"]) == (None, None, 1)
    it.job("next")
    until(lambda: it.record["jobs_run"] == 2, what="the next job")


def test_a_worker_that_comes_late_makes_it_busy_again(given):
    it = given(stop={"settle_seconds": 0}).started()
    it.order("say('Running job: build')")
    it.phase("busy")
    it.phase("listening")
    it.order("w = worker()")
    record = it.phase("busy")
    assert (record["job"]["name"], record["jobs_run"], record["last_job"]) == ("build", 1, None)
    it.signal(signal.SIGTERM)
    until(lambda: it.record["stop_asked"], what="the stop being taken up")
    assert processes.alive(it.process("listener"))
    it.job_ends()
    assert it.ended()["last_job"]["result"] == "Succeeded"


def test_what_the_listener_says_late_of_a_job_is_its_result(given):
    it = given().started()
    it.job()
    it.order("end(w)")
    it.phase("listening")
    it.order("say('Job other completed with result: Failed'); say('Job build completed with result: Canceled')")
    until(lambda: it.record["last_job"]["result"] == "Canceled", what="the result")


def test_log_lines_have_their_time_and_no_control_characters(given):
    it = given().started()
    it.order(r"line('red \x1b[31m bell \x07 split \u2028 \x85 end\r')")
    it.order("line('a' * 10_000 + 'lost'); line('next')")
    lines = it.logged("next").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z .", line) for line in lines)
    assert lines[1].endswith(r"red \x1b[31m bell \x07 split \u2028 \x85 end")
    assert lines[2].count("a") == 8192
    assert "lost" not in it.log


def test_the_log_is_rotated_by_size(given):
    it = given(log={"max_bytes": 2000, "keep": 2}).started()
    for number in range(40):
        it.order(f"line('{number:03} ' + 'x' * 200); time.sleep(0.002)")
    it.logged("039 ")
    assert sorted(path.name for path in it.run_dir.glob("runner.log*")) == [
        "runner.log",
        "runner.log.1",
        "runner.log.2",
    ]
    assert all(path.stat().st_size <= 4000 for path in it.run_dir.glob("runner.log*"))


def test_a_full_disk_costs_lines_and_is_said_when_it_is_over(given):
    it = given().started()
    it.order("line('z' * 4000)")
    it.logged("zzz")
    size = (it.run_dir / "runner.log").stat().st_size
    _, hard = resource.prlimit(it.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(
        it.pid, resource.RLIMIT_FSIZE, (size + 40, hard)
    )  # stands in for a full disk: writes fail half-way
    it.order("line('one'); line('two'); say('Running job: build')")
    it.phase("busy")
    resource.prlimit(it.pid, resource.RLIMIT_FSIZE, (hard, hard))
    it.order("line('three')")
    log = it.logged("three")
    assert "lines were dropped" in log
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z .", line) for line in log.splitlines())


def test_a_flood_neither_fills_the_disk_nor_keeps_the_supervisor_from_listening(given):
    it = given(FLOODS_OUTPUT, log={"max_bytes": 200_000, "keep": 1}).started()
    until((it.run_dir / "runner.log.1").exists)
    it.signal(signal.SIGINT)
    assert it.ended()["outcome"] == "stopped"
    assert sum(path.stat().st_size for path in it.run_dir.glob("runner.log*")) < 1_000_000


def test_what_a_job_says_of_its_own_end_is_outweighed_by_the_exit_status(given):
    """actions/runner's, with ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED: the line can be forged."""
    record = given(exits(102, after=RAN_A_JOB), ephemeral=True).started().ended()
    assert (record["last_job"]["name"], record["last_job"]["result"]) == ("build", "Failed")


def test_the_record_is_never_seen_half_written(given):
    it = given(IGNORES_INTERRUPT).started()
    it.order("for n in range(300): say(f'Running job: {n}'); time.sleep(0.001)")
    seen = set()
    while 299 not in seen:
        job = it.record["job"]
        seen.add(int(job["name"]) if job else -1)
    assert len(seen) > 3


# Exits


@pytest.mark.parametrize(
    ("listener", "ephemeral", "configured", "outcome", "reason", "restarts"),
    [
        pytest.param(exits(0, after=RAN_A_JOB), True, True, "completed", None, 0, id="ephemeral ran its job"),
        pytest.param(exits(0), True, False, "completed", None, 0, id="ephemeral is deregistered"),
        pytest.param(exits(0), True, True, "stopped", "ended by itself", 0, id="ephemeral ended without a job"),
        pytest.param(
            exits(0, after=GONE), False, False, "deleted", "registration was deleted", 0, id="persistent is deleted"
        ),
        pytest.param(
            exits(0), False, False, "failed", "identity files are gone", 0, id="persistent, and its identity was taken"
        ),
        pytest.param(exits(0), False, True, "stopped", "ended by itself", 0, id="persistent ended"),
        pytest.param(exits(1), False, True, "failed", "fatal error", 0, id="fatal"),
        pytest.param(
            exits(1, after="echo 'An error occurred: bad blob' >&2\n"),
            True,
            True,
            "failed",
            "bad blob",
            0,
            id="said why",
        ),
        pytest.param(exits(2), False, True, "failed", "3 times in a row", 2, id="retryable for ever"),
        pytest.param(exits(6), True, True, "failed", "3 times in a row", 2, id="refreshed for ever"),
        pytest.param(
            exits(2, after=RAN_A_JOB), True, True, "failed", "may pass", 0, id="ephemeral fails after its job"
        ),
        pytest.param(exits(5), False, True, "failed", "another session", 1, id="conflict"),
        pytest.param(exits(7), False, True, "outdated", "too old", 0, id="too old"),
        pytest.param(exits(7), True, True, "outdated", "too old", 0, id="too old before its job"),
        pytest.param(exits(7, after=RAN_A_JOB), True, True, "failed", "too old", 0, id="too old after its job"),
        pytest.param(exits(7), False, False, "failed", "too old", 0, id="too old and unconfigured"),
        pytest.param(exits(102, after=RAN_A_JOB), True, True, "completed", None, 0, id="job result as exit code"),
        pytest.param(exits(102), True, True, "completed", None, 0, id="job result of a job that no line told of"),
        pytest.param(exits(134), False, True, "failed", "aborted", 0, id="134"),
        pytest.param(exits(99), False, True, "failed", "unknown exit code 99", 0, id="unknown"),
        pytest.param(exits(0, after="kill -SEGV $$\n"), False, True, "failed", "segmentation", 0, id="segfault"),
        pytest.param(exits(0, after="kill -KILL $$\n"), False, True, "failed", "memory", 0, id="killed"),
        pytest.param(exits(0, after="kill -USR1 $$\n"), False, True, "failed", "signal 10", 0, id="another signal"),
    ],
)
def test_every_exit_has_its_consequence(given, listener, ephemeral, configured, *, outcome, reason, restarts):
    it = given(listener, ephemeral=ephemeral)
    if not configured:
        (it.root / ".runner").unlink()
    record = it.started().ended()
    assert (record["outcome"], record["restarts"]) == (outcome, restarts), record
    assert record["reason"] is None if reason is None else reason in record["reason"]
    assert record["phase"] == "exited"


NO_ICU = (
    "Process terminated. Couldn't find a valid ICU package installed on the system. Please install libicu (or "
    "icu-libs) using your package manager and try again. Alternatively you can set the configuration flag "
    "System.Globalization.Invariant to true if you want to run with no globalization support."
)
LISTENER, NO_FILE = "bin/Runner.Listener", "No such file or directory"
STACK = (
    "   at System.Environment.FailFast(System.String)\n   at System.Globalization.GlobalizationMode+Settings..cctor()"
)


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        (f"{NO_ICU}\n{STACK}", 134, "libicu is missing: install it (`runnerctl doctor` names the package)"),
        ("No usable version of libssl was found", 134, "libssl is missing"),
        (
            "An error occurred: OpenSSL is required for algorithm 'RSAOpenSsl' but could not be found or loaded.",
            2,
            "libssl is missing",
        ),
        (
            f"{LISTENER}: error while loading shared libraries: libstdc++.so.6: cannot open shared object: {NO_FILE}",
            127,
            "libstdc++.so.6 is missing, which the runner needs",
        ),
        (
            f"{LISTENER}: /lib/libc.so.6: version `GLIBC_2.27' not found (required by x)",
            1,
            "this host's glibc is too old",
        ),
    ],
)
def test_a_program_that_cannot_run_on_this_host_is_told_by_its_cause_and_not_by_its_stack(given, said, code, reason):
    quoted = said.replace("'", "'\\''")
    record = given(exits(code, after=f"printf '%s\\n' '{quoted}' >&2\n")).started().ended()
    assert (record["outcome"], record["error"]) == ("failed", record["reason"])
    assert record["reason"].startswith(reason)
    assert " at System" not in record["reason"]


def test_the_same_words_of_a_job_explain_no_end(given):
    record = given(exits(1, after=RAN_A_JOB + 'echo "No usable version of libssl was found"\n')).started().ended()
    assert record["reason"] == "fatal error"


LOST = "2026-11-24 03:58:14Z: Runner connect error: Error: ServiceUnavailable. Retrying until reconnected."


def order(it, text):
    os.write(it.control, f"line({text!r})\n".encode())


def test_one_that_loses_github_is_connecting_with_the_reason_until_it_says_that_it_is_back(given):
    it = given().started()
    it.phase("listening")
    order(it, LOST)
    assert it.phase("connecting")["error"] == "Runner connect error: Error: ServiceUnavailable."
    order(it, "2026-11-24 03:59:14Z: Runner reconnected.")
    assert it.phase("listening")["error"] is None


def test_one_that_never_reached_github_is_connecting_and_back_means_starting(given):
    it = given(NEVER_ONLINE).started()
    order(it, "A session for this runner already exists.")
    order(it, "2026-11-24 03:58:14Z: Runner connect error: Error: Conflict. Retrying until reconnected.")
    it.logged("Conflict")
    record = it.phase("connecting")
    assert record["error"] == "A session for this runner already exists."
    assert record["online_at"] is None
    order(it, "2026-11-24 03:59:14Z: Runner reconnected.")
    it.phase("starting")
    order(it, "2026-11-24 03:59:15Z: Listening for Jobs")
    it.phase("listening")


def test_a_clock_that_is_wrong_is_the_reason(given):
    it = given(NEVER_ONLINE).started()
    said = "The local machine's clock may be out of sync with the server time by more than five minutes."
    order(it, f"{said} Please sync your clock with your domain or internet time and try again.")
    assert it.phase("connecting")["error"].startswith(said)


def test_a_job_outweighs_what_is_said_of_connecting_and_ends_it(given):
    it = given().started()
    it.phase("listening")
    order(it, LOST)
    it.phase("connecting")
    os.write(it.control, b"say('Running job: build'); w = worker()\n")
    assert it.phase("busy")["error"] is None
    os.write(it.control, b"end(w); say('Job build completed with result: Succeeded')\n")
    it.phase("listening")


@pytest.mark.parametrize(
    "said",
    [
        "The proxy tunnel request to proxy 'http://proxy.example:3128/' failed with status code '407'.",
        "Failed to create broker session: Error: ProxyAuthenticationRequired.",
        "Response status code does not indicate success: 407 (Proxy Authentication Required).",
    ],
)
def test_a_proxy_that_refuses_its_password_is_named_without_it(given, said):
    env = {"PATH": "/usr/bin:/bin", "https_proxy": "http://me:hunter2@proxy.example:3128"}
    it = given(NEVER_ONLINE, env=env).started()
    order(it, f"2026-11-24 03:58:14Z: Runner connect error: {said} Retrying until reconnected.")
    error = it.phase("connecting")["error"]
    assert error.startswith("The proxy proxy.example:3128 refuses the user and password (407): set them in")
    assert "hunter2" not in (it.run_dir / "supervisor.json").read_text()


def test_coming_online_forgives_earlier_failures(given):
    listener = f"#!/bin/sh\necho run >> runs\n[ $(wc -l < runs) -gt 5 ] && exit 1\n{ONLINE}exit 2\n"
    record = given(listener).started().ended()
    assert (record["restarts"], record["last_exit"]["code"]) == (5, 1)


def test_after_an_update_the_new_program_is_started(given):
    listener = "#!/bin/sh\n[ -e updated ] && exit 1\n(sleep 0.1; touch updated update.finished) &\nexit 3\n"
    it = given(listener).started()
    record = it.ended()
    assert (record["restarts"], record["last_exit"]["code"]) == (1, 1)
    assert not (it.root / "update.finished").exists()


def test_a_program_that_vanished_between_two_starts_is_a_failure(given):
    record = given(exits(2, after="rm bin/Runner.Listener\n")).started().ended()
    assert (record["outcome"], record["last_exit"]["code"]) == ("failed", 127)
    assert "No such file" in record["reason"]


def test_no_listener_is_started_while_a_worker_lives(given):
    listener = (
        _OBEDIENT + "if not os.path.exists('w'): open('w', 'w').write(str(worker())); os._exit(2)\nsignal.pause()\n"
    )
    it = given(listener).started()
    record = it.phase("busy")
    assert (record["listener"], record["restarts"]) == (None, 0)
    os.kill(int((it.root / "w").read_text()), signal.SIGKILL)
    until(lambda: it.record["listener"], what="the restart")
    assert it.record["restarts"] == 1


# Stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_idle_runner_is_interrupted(given, number):
    it = given().started()
    it.phase("listening")
    it.signal(number)
    record = it.ended()
    assert (record["outcome"], record["last_exit"]["code"], record["restarts"]) == ("stopped", 0, 0)
    assert "Exiting..." in it.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_listener_that_stands_still_hears_the_stop(given, number):
    it = given(stop={"interrupt_seconds": 600}).started()
    it.phase("listening")
    os.kill(it.report["listener"]["pid"], signal.SIGSTOP)
    it.signal(number)
    record = it.ended()
    assert (record["outcome"], record["last_exit"]["code"]) == ("stopped", 0)
    assert "Exiting..." in it.log


def test_drain_ends_an_idle_runner(given):
    it = given().started()
    it.phase("listening")
    (it.run_dir / "drain").touch()
    it.signal(signal.SIGHUP)
    record = it.ended()
    assert (record["outcome"], record["stop_asked"]) == ("stopped", "drain")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, None])
def test_a_job_that_runs_is_finished_first(given, number):
    it = given().started()
    it.job()
    (it.run_dir / "drain").touch()  # without a signal it is seen when the job ends
    if number is not None:
        it.signal(number)
        until(lambda: it.record["stop_asked"], what="the stop being taken up")
    it.order("line('still at it')")
    it.logged("still at it")
    assert processes.alive(it.process("listener"))
    assert it.record["phase"] == "busy"
    it.job_ends()
    record = it.ended()
    assert (record["outcome"], record["last_job"]["result"]) == ("stopped", "Succeeded")


def test_a_draining_ephemeral_runner_leaves_by_itself(given):
    it = given(ephemeral=True).started()
    it.job()
    (it.run_dir / "drain").touch()
    it.job_ends()
    it.order("time.sleep(0.1); line('cleaned up'); os._exit(0)")
    assert it.ended()["outcome"] == "completed"
    assert "cleaned up" in it.log
    assert "Exiting..." not in it.log


def test_grace_is_not_endless(given):
    it = given(stop={"shutdown_grace": 0.2}).started()
    it.job()
    it.signal(signal.SIGTERM)
    record = it.ended()
    assert (record["outcome"], record["stop_asked"]) == ("stopped", "grace")
    assert record["last_job"]["name"] == "build"


def test_a_stop_during_the_pause_before_a_restart_ends_it(given):
    it = given(exits(2), restart={"seconds": 600, "limit": 3}).started()
    until(lambda: it.record["last_exit"], what="the exit")
    it.signal(signal.SIGTERM)
    record = it.ended()
    assert (record["outcome"], record["restarts"]) == ("stopped", 0)


@pytest.mark.parametrize(
    ("listener", "number"), [(IGNORES_INTERRUPT, signal.SIGTERM), (IGNORES_EVERYTHING, signal.SIGKILL)]
)
def test_the_ladder_is_climbed_in_time(given, listener, number):
    it = given(listener, stop={"interrupt_seconds": 0.1, "terminate_seconds": 0.1}).started()
    it.phase("listening")
    it.signal(signal.SIGINT)
    record = it.ended()
    assert (record["outcome"], record["last_exit"]["signal"]) == ("stopped", number)


def test_asking_again_climbs_at_once(given):
    it = given(IGNORES_EVERYTHING, stop={"interrupt_seconds": 600, "terminate_seconds": 600}).started()
    it.phase("listening")
    for rung in ("interrupt", "terminate", "kill"):
        it.signal(signal.SIGINT)
        it.logged(f"Stopping: {rung}")
    assert it.ended()["last_exit"]["signal"] == signal.SIGKILL


def test_an_interrupt_reaches_the_listener_alone(given):
    it = given().started()
    it.order("fork(lambda: signal.signal(signal.SIGINT, lambda *_: open('hit', 'w').close()))")
    it.order("line('forked')")
    it.logged("forked")
    it.signal(signal.SIGINT)
    it.ended()
    assert not (it.root / "hit").exists()


def test_the_end_of_the_lease_stops_the_runner(given):
    reader, writer = os.pipe()
    it = given().started(lease=reader)
    os.close(reader)
    it.phase("listening")
    os.close(writer)
    record = it.ended()
    assert (record["outcome"], record["stop_asked"]) == ("stopped", "now")


# Leftovers


_DAEMON = """
def daemon(environment):
    def act():
        os.setsid()
        if os.fork(): os._exit(0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.execve("/bin/sleep", ["sleep", "600"], environment)
    fork(act)
"""


@pytest.mark.parametrize("environment", [{}, {"RUNNERCTL_LIFE": "other"}])
def test_daemons_of_a_job_do_not_outlive_the_runner(given, environment):
    listener = OBEDIENT.replace("signal.signal(signal.SIGINT, stop)", _DAEMON + "signal.signal(signal.SIGINT, stop)")
    it = given(listener).started()
    it.order(f"daemon({environment}); daemon({environment}); line('left')")
    it.logged("left")
    daemons = until(lambda: [pid for pid in processes.descendants(it.pid) if processes.comm(pid) == "sleep"])
    until(lambda: all(processes.stat(pid)[1] == it.pid for pid in daemons))
    it.signal(signal.SIGINT)
    it.ended()
    assert [pid for pid in daemons if processes.identify(pid)] == []


def test_a_marked_process_elsewhere_does_not_outlive_the_runner(given):
    it = given(exits(1, after="read x < control\n"))
    with subprocess.Popen(["/bin/sleep", "600"], env={"RUNNERCTL_LIFE": it.life}) as elsewhere:
        it.started()
        it.order("")
        it.ended()
        assert elsewhere.wait(PATIENCE) == -signal.SIGKILL


def test_processes_that_keep_forking_are_killed_too(given):
    it = given().started()
    it.order("fork(lambda: [(fork(), time.sleep(0.002)) for _ in range(200)])")
    until(lambda: len(processes.descendants(it.pid)) > 10)
    it.signal(signal.SIGINT)
    assert it.ended()["reason"] is None
    assert processes.marked(it.life) == []


def test_what_is_orphaned_to_the_supervisor_is_collected(given):
    it = given().started()
    it.order("pid = os.fork()\n")
    it.order("os._exit(0) if pid == 0 and os.fork() else None")
    it.order("line('orphan of ' + str(os.getppid())); os._exit(0) if pid == 0 else None")
    it.logged(f"orphan of {it.pid}")
    until(lambda: "Z" not in [seen[0] for pid in _children(it.pid) if (seen := processes.stat(pid)) is not None])


def _children(parent: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if (seen := processes.stat(pid)) is not None and seen[1] == parent]


# The end


@pytest.mark.parametrize("listening", [True, False])
def test_the_reaper_is_started_only_if_nobody_listens(given, tmp_path, listening):
    path = tmp_path / "events.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        server.settimeout(PATIENCE)
        if not listening:
            server.close()
        # Were it started after all, it would have done its work before the next one is started.
        reap = {
            "argv": ["/bin/sh", "-c", 'echo "$A" "$PWD" >> "$OUT"'],
            "env": {"A": "1", "OUT": str(tmp_path / "out")},
        }
        it = given(exits(1), events=str(path), reap=reap).started()
        it.ended()
        if listening:
            phases = [json.loads(server.recv(4096))["phase"]]
            assert phases[-1] == "exited"
            given(exits(1), reap={**reap, "env": {**reap["env"], "A": "2"}}).started().ended()
    until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text().endswith("\n"))
    assert (tmp_path / "out").read_text() == f"{2 if listening else 1} /\n"


def test_the_events_socket_may_have_a_long_path(given, tmp_path):
    directory = tmp_path / ("long" * 30)
    directory.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        descriptor = os.open(directory, os.O_PATH)
        server.bind(f"/proc/self/fd/{descriptor}/events.sock")
        os.close(descriptor)
        server.settimeout(PATIENCE)
        given(exits(1), events=str(directory / "events.sock")).started()
        assert json.loads(server.recv(4096))["phase"] == "exited"


def test_a_runner_can_be_started_again_as_soon_as_its_end_is_heard_of(given, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "events.sock"))
        server.settimeout(PATIENCE)
        it = given(exits(1), events=str(tmp_path / "events.sock")).started()
        assert json.loads(server.recv(4096))["phase"] == "exited"
        it.started()
        assert json.loads(server.recv(4096))["phase"] == "exited"


def test_a_supervisor_is_small(given):
    it = given().started()
    it.phase("listening")
    rollup = Path(f"/proc/{it.pid}/smaps_rollup").read_text()
    kilobytes = {name: int(size) for name, size in re.findall(r"^(\w+):\s+(\d+) kB", rollup, re.MULTILINE)}
    assert kilobytes["Rss"] <= 14 * 1024
    assert kilobytes["Private_Clean"] + kilobytes["Private_Dirty"] <= 6 * 1024
