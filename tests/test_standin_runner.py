"""The stand-in runner starts, connects and ends as GitHub's does: its lines, exit codes and files."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .scripted_broker import ScriptedBroker
from .standin import STAMP, VERSION, StandIn, until

pytest_plugins = ("tests.standin_fixtures",)
pytestmark = pytest.mark.timeout(30)


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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_idle_runner_and_its_session(
    listening: Callable[..., StandIn], broker: ScriptedBroker, number: int, code: int
) -> None:
    runner = listening()
    runner.signal(number)
    runner.line(re.escape("Exiting..."))
    assert runner.exit_code() == code
    assert broker.bodies("DELETE session")
    assert (runner.root / ".runner").exists(), "it was stopped, not used up"


def test_a_signal_ends_it_also_while_it_cannot_connect(runner: StandIn, broker: ScriptedBroker) -> None:
    broker.script["POST session"] = [(500, {})]
    runner.start("run", "--jitconfig", broker.jitconfig(), RUNNER_STANDIN_RETRY_SECONDS="60")
    runner.line(STAMP + r"Runner connect error: .+\. Retrying until reconnected\.")
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert runner.seen[-1] == "Exiting..."


def test_a_typo_is_only_complained_about(runner: StandIn, broker: ScriptedBroker) -> None:
    runner.start("run", "--ephemerl", "--jitconfig", broker.jitconfig())
    runner.line("Unrecognized command-line input arguments for command run: 'ephemerl'.")
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

TOO_OLD = (400, {"errorKind": "RunnerVersionTooOld", "statusCode": 400})
DELETED = (400, {"error": "invalid_client"})
DEPRECATED = f"An error occurred: Runner version v{VERSION} is deprecated and cannot receive messages."


@pytest.mark.parametrize(
    ("trouble", "environment", "code", "said"),
    [
        (("POST session", (409, {})), {}, 5, "Stop retry on SessionConflictException after retried for 240 seconds."),
        (("message", TOO_OLD), {}, 1, DEPRECATED),
        (("message", TOO_OLD), {"ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": "1"}, 7, DEPRECATED),
        (("POST session", TOO_OLD), {"ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": "1"}, 7, DEPRECATED),
        (("token", DELETED), {}, 1, "Failed to create a session. The runner registration has been deleted from"),
        (("message", (404, {"errorKind": "RunnerNotFound"})), {}, 0, "The runner no longer exists on the server. Cle"),
        (("message", (500, {})), {}, 2, "An error occurred: "),
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


def test_a_registration_deleted_under_it_takes_its_files_along(runner: StandIn, broker: ScriptedBroker) -> None:
    broker.script["message"] = [(404, {"errorKind": "RunnerNotFound"})]
    runner.start("run", "--jitconfig", broker.jitconfig())
    assert runner.exit_code() == 0
    assert runner.seen[-2:] == ["√ Removed .credentials", "√ Removed .runner"]
    assert not list(runner.root.glob(".[rc]*"))


def test_it_reconnects_and_says_so(runner: StandIn, broker: ScriptedBroker) -> None:
    broker.script["POST session"] = [(500, {}), (409, {}), (200, {"sessionId": "s"})]
    runner.start("run", "--jitconfig", broker.jitconfig())
    runner.line(STAMP + "Runner reconnected.")
    runner.line(STAMP + "Listening for Jobs")


def test_a_session_that_expired_is_opened_again(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    broker.script["message"] = [(404, {"errorKind": "RunnerSessionInvalid"}), (202, {})]
    listening()
    until(lambda: len(broker.bodies("POST session")) == 2)


def test_a_refused_token_ends_a_runner_that_is_told_to_renew_it(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening()
    broker.script["token"] = [DELETED]
    broker.send("ForceTokenRefresh", {})
    assert runner.exit_code() == 0
    assert runner.seen[-1] == "√ Removed .runner"
