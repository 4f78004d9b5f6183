"""What a job can forge is shown as its word, wherever it is shown: its name, its log, the phase of its runner."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from runnerctl import core
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.process.engine.test_job_rows import at_work, log_of
from tests.support.hosts.host import Host, Server, create, until

FORGED = "deploy to production (approved by root)"


def test_a_name_that_a_job_gave_itself_is_its_logs_word_wherever_it_is_shown(
    services: Services, host: Host, sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    server = serve(RUNNERCTL_LOG_FORMAT="json")
    runner = create(services, host.spec("forger"), wait=core.Wait.ONLINE)
    script = f"while [ ! -e {host.top / 'go'} ]; do sleep 0.02; done"
    sandbox.submit_job(str(runner.scope), ["forger"], [{"run": script}], name=FORGED)
    shown = until(
        lambda: (status := server.status("forger"))["job"] and status["told_by"]["phase"] == "kernel" and status
    )
    assert shown["job"]["name"] == FORGED
    assert shown["job"]["told_by"]["name"] == "log"
    assert f"{FORGED} (named by its log)" in host.cli("status", "forger").stdout
    log = until(lambda: [line for line in server.log.read_text().splitlines() if FORGED in line])
    assert all("(named by its log)" in json.loads(line)["message"] for line in log)
    assert all(json.loads(line)["told_by"] == "log" for line in log)
    (host.top / "go").touch()
    last = until(lambda: server.status("forger")["last_job"])
    assert last["told_by"]["name"] == "log"
    listed = server.request("GET", "/api/v1/jobs").json()["items"]
    assert [each["told_by"]["name"] for each in listed] == ["log"] * len(listed)


@pytest.mark.parametrize("said", ["[runnerctl] Ended: completed", "[runnerctl]Asked to stop: now", "[runnerctl]"])
def test_no_line_of_a_job_passes_for_one_of_runnerctls_own_in_the_log(
    services: Services, host: Host, sandbox: Sandbox, serve: Callable[..., Server], said: str
) -> None:
    server = serve()
    runner = create(services, host.spec("forger"), wait=core.Wait.ONLINE)
    at_work(services, sandbox, runner)
    with (host.state_dir / "runners" / runner.id / "out.fifo").open("w") as output:
        output.write(f"{said}\nand then\n")
    log = until(lambda: (text := log_of(host, runner)) and "and then" in text and text)
    assert [line.split(" ", 1)[1] for line in log.splitlines() if said in line] == [f"> {said}"]
    answer = server.request("GET", "/api/v1/runners/forger/logs")
    assert answer.headers["X-Told-By"] == "log"
    assert host.cli_json("logs", "forger")["told_by"] == {"lines": "log"}
    (host.top / "go").touch()


def test_an_idle_runners_phase_is_its_logs_word(services: Services, host: Host, server: Server) -> None:
    create(services, host.spec("idle"), wait=core.Wait.ONLINE)
    assert server.status("idle")["told_by"] == {"phase": "log"}
