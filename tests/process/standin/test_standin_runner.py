"""The stand-in runner starts, connects and ends as GitHub's does: its lines, exit codes and files."""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from runnerctl.standin.archive import build_archive
from tests.support.sandboxes.scripted_broker import ScriptedBroker, broker_error, run_service_error
from tests.support.sandboxes.standin import PACE, STAMP, VERSION, StandIn, until

pytest_plugins = ("tests.support.sandboxes.standin_fixtures",)
pytestmark = [pytest.mark.timeout(30), pytest.mark.long]


def test_it_tells_its_version_and_commit(runner: StandIn) -> None:
    runner.start("--version")
    assert (runner.exit_code(), runner.seen) == (0, [VERSION])
    runner.close()
    runner.start("--commit")
    runner.line("[0-9a-f]{40}")


def test_it_says_what_the_real_one_says_until_it_listens(listening: Callable[..., StandIn]) -> None:
    runner = listening()
    said = [line for line in runner.seen if line]
    assert said[:2] == ["√ Connected to GitHub", f"Current runner version: '{VERSION}'"]
    assert Path(f"/proc/{runner.process.pid}/comm").read_text() == "Runner.Listener\n"


@pytest.mark.parametrize(("number", "code", "said"), [(signal.SIGINT, 0, ["Exiting..."]), (signal.SIGTERM, 143, [])])
def test_a_signal_ends_an_idle_runner_and_its_session(
    listening: Callable[..., StandIn], broker: ScriptedBroker, *, number: int, code: int, said: list[str]
) -> None:
    runner = listening()
    before = len(runner.seen)
    broker.wait_for("message")
    runner.signal(number)
    assert runner.exit_code() == code
    assert runner.seen[before:] == said
    assert broker.bodies("DELETE session")
    assert (runner.root / ".runner").exists(), "it was stopped, not used up"


def test_a_signal_ends_it_also_while_it_cannot_connect(runner: StandIn, broker: ScriptedBroker) -> None:
    broker.script["POST session"] = [(500, {})]
    runner.start("run", "--jitconfig", broker.jitconfig(), STANDIN_PACE="10")
    runner.line(STAMP + r"Runner connect error: .+\. Retrying until reconnected\.")
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert runner.seen[-1] == "Exiting..."


def test_a_typo_is_only_complained_about(runner: StandIn, broker: ScriptedBroker) -> None:
    runner.start("run", "--ephemerl", "--jitconfig", broker.jitconfig())
    runner.line("Unrecognized command-line input arguments for command run: 'ephemerl'.*")
    runner.line(STAMP + "Listening for Jobs")


def test_the_root_is_where_the_file_really_lies(runner: StandIn, broker: ScriptedBroker, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/bin").symlink_to(runner.root / "bin")
    other = StandIn(tmp_path / "other").start("run", "--jitconfig", broker.jitconfig())
    try:
        other.line(STAMP + "Listening for Jobs")
        assert (runner.root / ".runner").exists()
        assert not (tmp_path / "other/.runner").exists()
    finally:
        other.close()


def test_a_bin_link_within_the_root_is_fine(listening: Callable[..., StandIn], runner: StandIn) -> None:
    (runner.root / "bin").rename(runner.root / f"bin.{VERSION}")
    (runner.root / "bin").symlink_to(f"bin.{VERSION}")
    listening()
    assert (runner.root / ".runner").exists()


# What the server says.

DEPRECATED = f"Runner version v{VERSION} is deprecated and cannot receive messages."
TOO_OLD = broker_error(400, "RunnerVersionTooOld", DEPRECATED)
DELETED = (400, {"error": "invalid_client"})
IMPATIENT = {"STANDIN_PACE": "0.001"}
ASKED = {"ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": "1"}
GIVE_UP = "An error occurred: Get next message failed with non-retryable error."


@pytest.mark.parametrize(
    ("trouble", "environment", "code", "said"),
    [
        (
            ("POST session", (409, {})),
            IMPATIENT,
            5,
            "Stop retry on SessionConflictException after retried for 240 seconds.",
        ),
        (("POST session", (403, {})), {}, 1, "Failed to create session. Error: Forbidden"),
        (("message", TOO_OLD), {}, 1, f"An error occurred: {DEPRECATED}"),
        (("message", TOO_OLD), ASKED, 7, f"An error occurred: {DEPRECATED}"),
        (("token", DELETED), {}, 1, "Failed to create a session. The runner registration has been deleted from"),
        (("message", broker_error(404, "RunnerNotFound")), {}, 0, "The runner no longer exists on the server. Cle"),
        (("message", (401, {})), {}, 1, GIVE_UP),
        (("message", broker_error(400, "HostedRunnerDeprovisioned")), {}, 0, ""),
        (("message", (500, {})), IMPATIENT, 2, "An error occurred: Failed to get job message. Request to "),
    ],
)
def test_it_ends_as_the_real_one_does(
    runner: StandIn, broker: ScriptedBroker, *, trouble: Any, environment: dict[str, str], code: int, said: str
) -> None:
    route, script = trouble
    broker.script[route] = [script]
    runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=broker.jitconfig(), **environment)
    assert runner.exit_code() == code
    assert any(line.startswith(said) for line in runner.seen), runner.seen


def test_an_answer_of_somebody_else_is_not_taken_for_the_brokers(runner: StandIn, broker: ScriptedBroker) -> None:
    """A proxy's 404 does not make a runner forget its registration: the broker signs its errors with its name."""
    broker.script["message"] = [(404, {"errorKind": "RunnerNotFound"}), (202, {})]
    runner.start("run", "--jitconfig", broker.jitconfig())
    until(lambda: len(broker.bodies("message")) > 1)
    assert (runner.root / ".runner").exists()


def test_a_registration_deleted_under_it_takes_its_files_along(runner: StandIn, broker: ScriptedBroker) -> None:
    broker.script["message"] = [broker_error(404, "RunnerNotFound")]
    runner.start("run", "--jitconfig", broker.jitconfig())
    assert runner.exit_code() == 0
    assert runner.seen[-2:] == ["√ Removed .credentials", "√ Removed .runner"]
    assert not list(runner.root.glob(".[rc]*"))


def test_it_reconnects_and_says_so(runner: StandIn, broker: ScriptedBroker) -> None:
    broker.script["POST session"] = [(500, {}), (409, {}), (200, {"sessionId": "s"})]
    runner.start("run", "--jitconfig", broker.jitconfig(), **IMPATIENT)
    runner.line(STAMP + "Runner reconnected.")
    runner.line(STAMP + "Listening for Jobs")


def test_a_session_that_expired_is_opened_again(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    broker.script["message"] = [broker_error(400, "RunnerSessionInvalid"), (202, {})]
    listening()
    until(lambda: len(broker.bodies("POST session")) == 2)


def test_each_try_for_a_session_has_an_assertion_of_its_own(runner: StandIn, broker: ScriptedBroker) -> None:
    broker.script["POST session"] = [(409, {}), (409, {}), (200, {"sessionId": "s"})]
    runner.start("run", "--jitconfig", broker.jitconfig(), **IMPATIENT)
    runner.line(STAMP + "Listening for Jobs")
    assertions = [body["client_assertion"][0] for body in broker.bodies("token")]
    assert len(assertions) == 3
    claims = [jwt.decode(each, options={"verify_signature": False}) for each in assertions]
    assert len({each["jti"] for each in claims}) == 3
    assert all(set(each) == {"sub", "iss", "aud", "jti", "nbf", "exp"} for each in claims)
    assert all(each["exp"] - each["nbf"] == 300 for each in claims)


def test_an_outage_of_a_quarter_of_a_minute_is_not_spoken_of(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    """Four tries with 5 to 15 s in between come first; the fifth failure is told."""
    runner = listening()
    broker.wait_for("message")
    broker.script["message"] = [(503, {})] * 4 + [(202, {})]
    broker.send("ForceTokenRefresh", {})
    until(lambda: len(broker.script["message"]) == 1)
    until(lambda: len(broker.bodies("message")) >= 6)
    runner.signal(signal.SIGINT)
    runner.exit_code()
    assert not [line for line in runner.seen if "Runner connect error" in line]


def test_identity_files_keep_the_form_in_which_they_were_given(
    listening: Callable[..., StandIn], runner: StandIn
) -> None:
    listening()
    text = (runner.root / ".runner").read_bytes()
    assert not text.startswith(b"\xef\xbb\xbf")
    assert "AgentName" in json.loads(text)


# Acquiring a job, and keeping it.


@pytest.mark.parametrize("status", [404, 409, 422])
def test_a_job_that_is_not_there_any_more_is_passed_over_without_a_word(
    listening: Callable[..., StandIn], broker: ScriptedBroker, status: int
) -> None:
    runner = listening()
    broker.script["acquirejob"] = [run_service_error(status)]
    broker.queue("true")
    broker.wait_for_call("message", after="acquirejob")
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert not [line for line in runner.seen if "Running job" in line]


def test_a_job_whose_first_renewal_is_refused_is_given_up_without_a_line(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    """No Worker, no result: a manager that counts lines believes it busy for ever."""
    runner = listening(settings={"Ephemeral": "False"})
    broker.script["renewjob"] = [run_service_error(404)]
    broker.queue("true")
    runner.line(STAMP + "Running job: build")
    until(lambda: sum("status=Online" in body["path"] for body in broker.bodies("message")) == 2)
    assert broker.bodies("renewjob")
    broker.script["renewjob"] = []
    broker.queue("true", name="next")
    runner.line(STAMP + "Running job: next")
    assert runner.seen[-2].endswith("Running job: build"), "nothing was said in between"
    runner.line(STAMP + "Job next completed with result: Succeeded")


def test_a_job_that_comes_while_another_runs_ends_that_one(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening(settings={"Ephemeral": "False"})
    broker.queue("sleep 30", name="first")
    runner.line(STAMP + "Running job: first")
    until(runner.workers)
    broker.queue("true", name="second")
    runner.line(STAMP + "Job first completed with result: Canceled")
    runner.line(STAMP + "Job second completed with result: Succeeded")


def test_its_registration_going_before_its_job_ends_is_the_end_of_the_job(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    """GitHub lets the session be until the runner is done; who does not, sees "Canceled" for a job that succeeded."""
    runner = listening()
    broker.queue("sleep 30")
    until(runner.workers)
    broker.script["message"] = [broker_error(404, "RunnerNotFound")]
    broker.send("JobCancellation", {"jobId": "another"})
    runner.line("The runner no longer exists on the server. Cleaning up local configuration.")
    runner.line(STAMP + "Job build completed with result: Canceled")
    assert runner.exit_code() == 0
    assert runner.seen[-2:] == ["√ Removed .credentials", "√ Removed .runner"]
    assert not broker.bodies("DELETE session")


@pytest.mark.parametrize(("command", "code"), [("true", 100), ("exit 3", 102)])
def test_its_exit_code_tells_the_result_where_that_is_asked_for(
    listening: Callable[..., StandIn], broker: ScriptedBroker, command: str, code: int
) -> None:
    runner = listening(ACTIONS_RUNNER_RETURN_JOB_RESULT_FOR_HOSTED="1")
    broker.queue(command)
    assert runner.exit_code() == code


def test_the_lease_is_renewed_every_minute_of_its_clock(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening(STANDIN_PACE="0.002")
    broker.queue("sleep 0.6")
    runner.line(STAMP + "Running job: build")
    begun = time.monotonic()
    runner.line(STAMP + "Job build completed with result: Succeeded")
    assert 3 <= len(broker.bodies("renewjob")) <= 1 + (time.monotonic() - begun) / (60 * 0.002)


def test_a_job_whose_worker_dies_of_a_full_disk_is_given_up_without_a_line(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    """Worker and Listener both find no room for their logs; nobody is told."""
    runner = listening(settings={"Ephemeral": "False"})
    broker.wait_for("message")
    resource.prlimit(runner.process.pid, resource.RLIMIT_FSIZE, (100, 100))
    broker.queue("true")
    runner.line(STAMP + "Running job: build")
    until(lambda: sum("status=Online" in body["path"] for body in broker.bodies("message")) == 2)
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert not [line for line in runner.seen if "completed with result" in line]
    assert not broker.bodies("completejob")


# What the sandbox's steps cannot say.


@pytest.mark.parametrize(
    ("command", "step", "conclusion", "message"),
    [
        ("exec sleep 303", {"timeoutInMinutes": 0.1}, "failed",
         "The action 'Run exec sleep 303' has timed out after 0.1 minutes."),
        ("exit 3", {"continueOnError": True}, "succeeded", "Process completed with exit code 3."),
    ],
)  # fmt: skip
def test_a_step_that_may_take_so_long_or_may_fail(
    listening: Callable[..., StandIn], broker: ScriptedBroker, *, command: str, step: Any, conclusion: str, message: str
) -> None:
    runner = listening()
    broker.queue(command, **step)
    assert runner.exit_code() == 0
    (done,) = broker.bodies("completejob")
    assert done["conclusion"] == conclusion
    assert [each["message"] for each in done["stepResults"][1]["annotations"]] == [message]


# Updating itself.


@pytest.mark.parametrize(("ephemeral", "code"), [("True", 4), ("False", 3)])
def test_it_updates_itself_when_it_is_told_to(
    listening: Callable[..., StandIn], broker: ScriptedBroker, tmp_path: Path, *, ephemeral: str, code: int
) -> None:
    newer = build_archive(tmp_path / "newer.tar.gz", version="2.400.0", pace=PACE).read_bytes()
    broker.files["/newer.tar.gz"] = newer
    runner = listening(settings={"Ephemeral": ephemeral})
    broker.send("RunnerRefresh", {"target_version": "2.400.0", "download_url": f"{broker.url}/newer.tar.gz",
                                  "sha256_checksum": hashlib.sha256(newer).hexdigest(), "os": "linux-x64"})  # fmt: skip
    runner.line("Runner will exit shortly for update, should be back online within 10 seconds.")
    # Waited for at once: the script goes on when the Listener is gone, and one that nobody buries is not.
    assert runner.process.wait(timeout=20) == code
    assert broker.bodies("DELETE session")
    until((runner.root / "update.finished").exists)
    runner.start("--version")
    assert (runner.exit_code(), runner.seen[-1]) == (0, "2.400.0")


def test_a_package_that_is_not_what_was_promised_is_not_put_in_place(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    broker.files["/newer.tar.gz"] = b"something else"
    runner = listening()
    broker.send("RunnerRefresh", {"target_version": "2.400.0", "download_url": f"{broker.url}/newer.tar.gz",
                                  "sha256_checksum": "0" * 64, "os": "linux-x64"})  # fmt: skip
    runner.line("Runner update failed: Computed runner hash .*")
    broker.queue("true")
    runner.line(STAMP + "Job build completed with result: Succeeded")


def test_a_tenant_that_is_not_the_broker_is_asked_for_the_older_protocol(
    runner: StandIn, broker: ScriptedBroker
) -> None:
    """What config.sh leaves behind must be of one address: ``connectionData`` is what nobody serves any more."""
    broker.script["/tenant/_apis/connectionData"] = [(404, {})]
    runner.start("run", "--jitconfig", broker.jitconfig(ServerUrl=f"{broker.url}/tenant/"))
    runner.line(STAMP + r"Runner connect error: Error: NotFound\. Retrying until reconnected\.")
    assert not broker.bodies("POST session")
