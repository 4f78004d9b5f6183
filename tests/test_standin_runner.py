"""The stand-in runner behaves as GitHub's does: lines, exit codes, files, signals. Real processes, scripted broker."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core import processes
from runnerctl.sandbox.archive import build_archive

from .scripted_broker import ScriptedBroker, serving

pytestmark = pytest.mark.timeout(30)
VERSION = "2.399.1"
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ: "


class StandIn:
    """One runner directory and, once started, its Listener."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self, *words: str, **environment: str) -> StandIn:
        self._process = subprocess.Popen(
            [str(self.root / "bin/Runner.Listener"), *(words or ("run",))],
            cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={"PATH": os.environ["PATH"], "RUNNER_STANDIN_RETRY_SECONDS": "0.02", **environment},
        )  # fmt: skip
        return self

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def line(self, pattern: str) -> str:
        """The next line of output that matches all of ``pattern``."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(line.rstrip("\n"))
            if re.fullmatch(pattern, self.seen[-1]):
                return self.seen[-1]
        raise AssertionError(f"{pattern!r} is not among {self.seen}")

    def exit_code(self) -> int:
        assert self.process.stdout is not None
        self.seen += self.process.stdout.read().splitlines()
        return self.process.wait(timeout=10)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """The living Workers of this root, told by the name the kernel has for them."""
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [pid for pid in pids if self._is_worker(pid)]

    def _is_worker(self, pid: int) -> bool:
        try:
            named = Path(f"/proc/{pid}/comm").read_text() == "Runner.Worker\n"
            return named and str(self.root).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def close(self) -> None:
        if self._process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("package")
    with tarfile.open(build_archive(directory / "runner.tar.gz", version=VERSION)) as archive:
        archive.extractall(directory / "unpacked", filter="data")
    return directory / "unpacked"


@pytest.fixture
def runner(package: Path, tmp_path: Path) -> Iterator[StandIn]:
    shutil.copytree(package, tmp_path / "runner", symlinks=True)
    standin = StandIn(tmp_path / "runner")
    yield standin
    standin.close()


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with serving(ScriptedBroker()) as broker:
        yield broker


@pytest.fixture
def listening(runner: StandIn, broker: ScriptedBroker) -> Callable[..., StandIn]:
    def start(*, settings: dict[str, str] | None = None, **environment: str) -> StandIn:
        blob = broker.jitconfig(**(settings or {}))
        runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=blob, **environment)
        runner.line(STAMP + "Listening for Jobs")
        return runner

    return start


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Starting and ending.


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


# Jobs.


def test_an_ephemeral_runner_does_one_job_and_is_gone(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening()
    broker.queue("echo hello from $RUNNER_NAME in $GITHUB_REPOSITORY; pwd")
    runner.line(STAMP + "Running job: build")
    runner.line(STAMP + "Job build completed with result: Succeeded")
    assert runner.exit_code() == 0
    assert runner.seen[-2:] == ["√ Removed .credentials", "√ Removed .runner"]
    assert not list(runner.root.glob(".[rc]*"))
    assert "hello from n in octo/tool" in broker.output()
    assert str(runner.root / "_work/tool/tool") in broker.output()
    assert [body["conclusion"] for body in broker.bodies("completejob")] == ["succeeded"]
    assert list(runner.root.glob("_diag/Runner_*-utc.log"))
    assert list(runner.root.glob("_diag/Worker_*-utc.log"))


def test_its_registration_may_go_before_its_worker_does(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening()
    job = broker.queue("sleep 0.3")
    broker.wait_for("acquirejob")
    broker.script["message"] = [(404, {"errorKind": "RunnerNotFound"})]
    broker.send("JobCancellation", {"jobId": f"not {job}"})
    runner.line(STAMP + "Job build completed with result: Succeeded")
    assert runner.exit_code() == 0


def test_a_failing_step_fails_the_job_and_ends_it(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    broker.queue("false; echo unseen", "echo never")
    runner.line(STAMP + "Job build completed with result: Failed")
    assert broker.wait_for("completejob")["conclusion"] == "failed"
    assert "##[error]Process completed with exit code 1." in broker.output()
    assert not {"unseen", "never"} & set(broker.output())


def test_a_persistent_runner_takes_the_next_job(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening(settings={"Ephemeral": "False"})
    for _ in range(2):
        broker.queue("true")
        runner.line(STAMP + "Job build completed with result: Succeeded")
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert (runner.root / ".runner").exists()


def test_a_job_that_comes_early_is_begun_after_the_one_that_runs(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening(settings={"Ephemeral": "False"})
    broker.queue("sleep 0.3", jobDisplayName="first")
    broker.wait_for("acquirejob")
    broker.queue("true", jobDisplayName="second")
    runner.line(STAMP + "Job first completed with result: Succeeded")
    runner.line(STAMP + "Running job: second")
    runner.line(STAMP + "Job second completed with result: Succeeded")


def test_steps_leave_word_for_each_other(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    first = """echo COLOUR=green >> $GITHUB_ENV
printf 'POEM<<END\\ntwo\\nlines\\nEND\\n' >> $GITHUB_ENV
mkdir tools; printf '#!/bin/sh\\necho found\\n' > tools/finder; chmod +x tools/finder
echo $PWD/tools >> $GITHUB_PATH
echo answer=42 >> $GITHUB_OUTPUT"""
    broker.queue(files={"Makefile": "all:\n"}, steps=[
        {"uses": "actions/checkout@v4"},
        {"run": first},
        {"run": 'echo "$COLOUR $POEM"; finder; cat Makefile; echo $EXTRA', "env": {"EXTRA": "step only"}},
    ])  # fmt: skip
    runner.line(STAMP + "Job build completed with result: Succeeded")
    assert broker.output()[-5:] == ["green two", "lines", "found", "all:", "step only"]


def test_other_actions_are_refused(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    broker.queue(steps=[{"uses": "actions/setup-node@v4"}])
    runner.line(STAMP + "Job build completed with result: Failed")
    assert "##[error]Action 'actions/setup-node@v4' is not supported by the sandbox" in broker.output()


def test_jobs_do_not_inherit_what_was_meant_for_the_runner(
    listening: Callable[..., StandIn], broker: ScriptedBroker, runner: StandIn
) -> None:
    (runner.root / ".env").write_text("FROM_FILE=yes\nLANG=C\n")
    listening()
    broker.queue("env")
    runner.line(STAMP + "Job build completed with result: Succeeded")
    seen = broker.output()
    assert "FROM_FILE=yes" in seen
    assert not [line for line in seen if "ACTIONS_RUNNER_INPUT" in line]
    assert {"CI=true", "GITHUB_ACTIONS=true", "GITHUB_RUN_ID=7", "RUNNER_OS=Linux"} <= set(seen)


def test_hooks_run_around_the_job(
    listening: Callable[..., StandIn], broker: ScriptedBroker, tmp_path: Path
) -> None:
    for name in ("started", "completed"):
        (tmp_path / f"{name}.sh").write_text(f"echo hook {name} of $GITHUB_REPOSITORY\n")
    runner = listening(
        ACTIONS_RUNNER_HOOK_JOB_STARTED=str(tmp_path / "started.sh"),
        ACTIONS_RUNNER_HOOK_JOB_COMPLETED=str(tmp_path / "completed.sh"),
    )
    broker.queue("echo job")
    runner.line(STAMP + "Job build completed with result: Succeeded")
    said = [line for line in broker.output() if not line.startswith("##")]
    assert said == ["hook started of octo/tool", "job", "hook completed of octo/tool"]


def test_what_steps_left_running_is_ended(
    listening: Callable[..., StandIn], broker: ScriptedBroker, tmp_path: Path
) -> None:
    runner = listening()
    broker.queue(f"setsid sleep 300 > /dev/null 2>&1 & echo $! > {tmp_path}/pid; sleep 0.1")
    runner.line(STAMP + "Job build completed with result: Succeeded")
    pid = int((tmp_path / "pid").read_text())
    until(lambda: processes.identify(pid) is None)


# Ending a job early.


def test_sigint_cancels_the_running_job(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    broker.queue("echo begun; exec sleep 300", "echo never")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    assert len(runner.workers()) == 1
    runner.signal(signal.SIGINT)
    runner.line(re.escape("Exiting..."))
    runner.line(STAMP + "Job build completed with result: Canceled")
    assert runner.exit_code() == 0
    assert broker.wait_for("completejob")["conclusion"] == "failed", "GitHub hears of a failure, as from the real one"
    assert any("received a shutdown signal" in line for line in broker.output())
    assert broker.bodies("DELETE session")
    assert (runner.root / ".runner").exists()


def test_the_server_can_cancel_the_job(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    job = broker.queue("echo begun; exec sleep 300")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    broker.send("JobCancellation", {"jobId": job})
    runner.line(STAMP + "Job build completed with result: Canceled")
    assert broker.wait_for("completejob")["conclusion"] == "canceled"


def test_the_worker_outlives_a_killed_listener(
    listening: Callable[..., StandIn], broker: ScriptedBroker, tmp_path: Path
) -> None:
    runner = listening()
    broker.queue(f"echo begun; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo finished")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    runner.signal(signal.SIGKILL)
    assert runner.exit_code() == -signal.SIGKILL
    assert len(runner.workers()) == 1
    (tmp_path / "go").touch()
    assert broker.wait_for("completejob")["conclusion"] == "succeeded"
    until(lambda: not runner.workers())


def test_a_worker_that_crashes_fails_its_job(listening: Callable[..., StandIn], broker: ScriptedBroker) -> None:
    runner = listening()
    broker.queue("echo begun; exec sleep 300")
    broker.wait_for("joblog", lambda body: "begun" in body["lines"])
    (worker,) = runner.workers()
    steps = processes.descendants(worker)
    os.kill(worker, signal.SIGKILL)
    runner.line(STAMP + "Job build completed with result: Failed")
    assert broker.wait_for("completejob")["conclusion"] == "failed"
    assert steps
    for step in steps:  # nobody cleans up after a crashed Worker, neither does the real one
        os.kill(step, signal.SIGKILL)


# config.sh and run.sh.


def script_configuration(broker: ScriptedBroker, *, scope: str = "/repos/octo/tool") -> None:
    base = "/api/v3"
    broker.script[f"{base}/actions/runner-registration"] = [(200, {"url": broker.url, "token": "oauth"})]
    group = {"id": 1, "name": "Default", "default": True, "is_hosted": False}
    broker.script[f"{base}{scope}/actions/runner-groups"] = [(200, {"total_count": 1, "runner_groups": [group]})]
    broker.script[f"{base}{scope}/actions/runners"] = [(200, {"total_count": 0, "runners": []})]
    authorization = {"authorization_url": f"{broker.url}/sandbox/token", "client_id": "c",
                     "server_url": f"{broker.url}/sandbox/broker/"}  # fmt: skip
    answer = {"id": 12, "name": "box", "authorization": authorization}
    broker.script[f"{base}/actions/runners/register"] = [(200, answer)]


def configure(runner: StandIn, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(runner.root / "config.sh"), *words],
        env={"PATH": os.environ["PATH"], "RUNNER_STANDIN_RETRY_SECONDS": "0.01", "RUNNER_ALLOW_RUNASROOT": "1",
             **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=runner.root,
    )  # fmt: skip


def test_config_registers_and_writes_the_files(runner: StandIn, broker: ScriptedBroker) -> None:
    script_configuration(broker)
    done = configure(
        runner, "--unattended", "--url", f"{broker.url}/octo/tool", "--name", "box", "--labels", "fast, Linux",
        "--no-default-labels", "--disableupdate", ACTIONS_RUNNER_INPUT_TOKEN="AREG",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert broker.bodies("/api/v3/actions/runner-registration")[0]["authorization"] == "RemoteAuth AREG"
    asked = broker.bodies("/api/v3/actions/runners/register")[0]
    assert asked["labels"] == ["fast", "Linux"]
    assert asked["updates_disabled"] is True
    assert asked["public_key"].startswith("<RSAKeyValue><Modulus>")
    text = (runner.root / ".runner").read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    settings = json.loads(text.decode("utf-8-sig"))
    assert (settings["agentId"], settings["agentName"], settings["gitHubUrl"]) == (12, "box", f"{broker.url}/octo/tool")
    assert "ephemeral" not in settings
    assert (runner.root / ".credentials_rsaparams").stat().st_mode & 0o777 == 0o600


def test_what_is_configured_can_be_removed(runner: StandIn, broker: ScriptedBroker) -> None:
    script_configuration(broker)
    assert configure(runner, "--url", f"{broker.url}/octo/tool", "--name", "box", "--token", "A").returncode == 0
    again = configure(runner, "--url", f"{broker.url}/octo/tool", "--name", "box", "--token", "A")
    assert again.returncode == 1
    assert again.stderr.startswith("Cannot configure the runner because it is already configured.")
    removed = configure(runner, "remove", "--token", "A")
    assert removed.returncode == 0, removed.stderr
    assert broker.bodies("/api/v3/repos/octo/tool/actions/runners/12")
    assert not (runner.root / ".runner").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--token", "A"], "Invalid configuration provided for url. Terminating unattended configuration."),
        (["--url", "URL"], "Invalid configuration provided for token. Terminating unattended configuration."),
        (["--url", "URL", "--token", "A", "--name", "taken"], "A runner exists with the same name taken."),
        (
            ["--url", "URL", "--token", "A", "--name", "box", "--runnergroup", "Nobody"],
            'Could not find any self-hosted runner group named "Nobody".',
        ),
    ],
)
def test_config_refuses(runner: StandIn, broker: ScriptedBroker, words: list[str], said: str) -> None:
    script_configuration(broker)
    taken = {"total_count": 1, "runners": [{"id": 3, "name": "taken"}]}
    broker.script["/api/v3/repos/octo/tool/actions/runners"] = [(200, taken)]
    done = configure(runner, "--unattended", *(f"{broker.url}/octo/tool" if word == "URL" else word for word in words))
    assert (done.returncode, done.stderr.strip()) == (1, said)
    assert not (runner.root / ".runner").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_scripts_refuse_root_each_in_its_own_way(runner: StandIn) -> None:
    assert configure(runner, RUNNER_ALLOW_RUNASROOT="").returncode == 1
    path = {"PATH": os.environ["PATH"]}
    done = subprocess.run([str(runner.root / "run.sh")], capture_output=True, text=True, check=False, env=path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Must not run interactively with sudo")


@pytest.mark.parametrize(("asked", "code"), [("1", 7), ("", 0)])
def test_run_sh_hides_every_exit_code_but_too_old(
    runner: StandIn, broker: ScriptedBroker, asked: str, code: int
) -> None:
    broker.script["message"] = [TOO_OLD]
    done = subprocess.run(
        [str(runner.root / "run.sh")], capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "RUNNER_ALLOW_RUNASROOT": "1",
             "ACTIONS_RUNNER_INPUT_JITCONFIG": broker.jitconfig(),
             "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE": asked},
    )  # fmt: skip
    assert done.returncode == code, done.stderr


def test_an_interpreter_in_a_directory_with_blanks_is_found_and_named(
    tmp_path: Path, broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "my programs" / "python"
    interpreter.parent.mkdir()
    interpreter.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    with tarfile.open(build_archive(tmp_path / "a.tar.gz", version=VERSION)) as archive:
        archive.extractall(tmp_path / "runner", filter="data")
    runner = StandIn(tmp_path / "runner").start("run", "--jitconfig", broker.jitconfig())
    try:
        runner.line(STAMP + "Listening for Jobs")
        assert Path(f"/proc/{runner.process.pid}/comm").read_text() == "Runner.Listener\n"
    finally:
        runner.close()


def test_a_refused_token_ends_a_runner_that_is_told_to_renew_it(
    listening: Callable[..., StandIn], broker: ScriptedBroker
) -> None:
    runner = listening()
    broker.script["token"] = [DELETED]
    broker.send("ForceTokenRefresh", {})
    assert runner.exit_code() == 0
    assert runner.seen[-1] == "√ Removed .runner"


def test_a_package_is_padded_to_the_size_asked_for(tmp_path: Path) -> None:
    with tarfile.open(build_archive(tmp_path / "a.tar.gz", version="2.336.0", files=300, size=5_000_000)) as archive:
        members = [member for member in archive if member.isfile()]
    assert (len(members), sum(member.size for member in members)) == (300, 5_000_000)
    assert all(member.name.startswith("./") for member in members)


def test_the_same_version_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build_archive(tmp_path / name, version="2.336.0").read_bytes() for name in ("a", "b"))
    assert first == second
