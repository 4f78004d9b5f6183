"""What a job of a persistent runner leaves to the next, and what of it the setting ``clean`` takes away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.engine import routed
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, start, stop, until
from tests.support.hosts.isolated import RUN_AS, Isolated, isolated, open_archive, open_top

__all__ = ["isolated", "open_archive", "open_top"]

pytestmark = pytest.mark.long

NAME = "steady"
LEAVE = """
left() {
    mkdir -p "$1/deep/er" "$1/shut"
    touch "$1/file" "$1/.hidden" "$1/deep/er/file" "$1/shut/file"
    chmod 000 "$1/shut"
}
left "$TMPDIR/of-tmp"
left "$HOME/of-home"
left "$GITHUB_WORKSPACE/of-work"
left "$RUNNER_WORKSPACE/../of-another"
touch "$RUNNER_WORKSPACE/../.hidden-work" "$GITHUB_WORKSPACE/.hidden-work" "$TMPDIR/.hidden-tmp"
mkdir -p "$RUNNER_TOOL_CACHE/kept" "$TMPDIR/clr-debug-pipe-kept"
touch "$TMPDIR/clr-debug-pipe-kept/file"
for each in "$TMPDIR" "$HOME" "$GITHUB_WORKSPACE" "$RUNNER_WORKSPACE/.."; do ln -sfn {elsewhere} "$each/link"; done
"""
LOOK = """
cd "$GITHUB_WORKSPACE"
for each in "$TMPDIR" "$HOME" "$GITHUB_WORKSPACE" "$RUNNER_WORKSPACE/.." "$RUNNER_TOOL_CACHE"; do
    ls -A "$each" | grep -E '^(of-|link|kept|.hidden|clr-debug-pipe-kept)' | sed "s|^|left: |" || true
done
touch "$TMPDIR/x" "$HOME/x" x && rm "$TMPDIR/x" "$HOME/x" x && echo usable
"""
PLACES = {
    "tmp": {"of-tmp", "clr-debug-pipe-kept", ".hidden-tmp"},
    "home": {"of-home"},
    "work": {"of-work", "of-another"},
}
ALL = {*PLACES["tmp"], *PLACES["home"], *PLACES["work"], "kept", ".hidden-work", "link"}


@contextmanager
def cleaning(given: Isolated, clean: str, **more: str) -> Iterator[Isolated]:
    """The same host by settings with that."""
    services = given.host.services(RUNNERCTL_CLEAN=clean, **more)
    yield replace(given, services=services)
    services.close()


@pytest.fixture
def elsewhere(isolated: Isolated) -> Path:
    """Where what jobs leave points to."""
    made = isolated.host.top / "elsewhere"
    made.mkdir(mode=0o777)
    made.chmod(0o777)
    (made / "file").write_text("untouched")
    (made / "file").chmod(0o666)
    return made


def left(given: Isolated) -> set[str]:
    said = given.run(NAME, LOOK).splitlines()
    assert "usable" in said
    assert not [line for line in said if "::warning" in line or "##[warning]" in line]
    return {line.removeprefix("left: ") for line in said if line.startswith("left: ")}


@pytest.mark.persistent
@pytest.mark.parametrize("clean", ["", "tmp", "home", "work", "tmp,home,work"])
def test_the_next_job_finds_emptied_what_the_setting_names(isolated: Isolated, elsewhere: Path, clean: str) -> None:
    with cleaning(isolated, clean, RUNNERCTL_RUN_AS=RUN_AS) as given:
        runner = given.runner(NAME, ephemeral=False)
        given.run(NAME, LEAVE.replace("{elsewhere}", str(elsewhere)))
        found = left(given)
        gone = set().union(*(PLACES[each] for each in clean.split(",") if each))
        gone |= {".hidden-work"} if "work" in clean else set()
        gone |= {"link"} if clean == "tmp,home,work" else set()
        assert found == ALL - gone
        until(lambda: not routed.working(given.services, runner))
        stop(given.services, NAME)
        start(given.services, NAME)
        assert left(given) == found
    assert (elsewhere / "file").read_text() == "untouched"


@pytest.mark.persistent
def test_so_it_is_where_jobs_run_as_the_manager_beside_the_guard_and_a_hook(
    host: Host, sandbox: Sandbox, tmp_path: Path
) -> None:
    hook = tmp_path / "before.sh"
    hook.write_text("echo then the hook in $(ls -A $HOME | wc -l) files\n")
    variables = {"RUNNERCTL_FORK_GUARD": "true", "RUNNERCTL_CLEAN": "home"}
    services = host.services(RUNNERCTL_JOB_ENV=f'{{"ACTIONS_RUNNER_HOOK_JOB_STARTED": "{hook}"}}', **variables)
    given = Isolated(host=host, services=services, sandbox=sandbox)
    given.runner(NAME, ephemeral=False)
    given.run(NAME, "touch $HOME/a $HOME/b")
    said = given.run(NAME, "ls -A $HOME | wc -l").splitlines()
    assert "then the hook in 0 files" in said
    assert "0" in said
    services.close()


def test_an_ephemeral_runner_has_nothing_to_be_cleaned(host: Host, sandbox: Sandbox) -> None:
    services = host.services(RUNNERCTL_CLEAN="tmp,home,work")
    given = Isolated(host=host, services=services, sandbox=sandbox)
    given.runner("once")
    assert "timeout" not in given.run("once", "cat $ACTIONS_RUNNER_HOOK_JOB_STARTED")
    services.close()


@pytest.mark.persistent
def test_what_cannot_be_deleted_is_said_and_the_job_runs(isolated: Isolated) -> None:
    """As `docker run -v` leaves it: another user's, in a directory of another user's."""
    with cleaning(isolated, "home", RUNNERCTL_RUN_AS=RUN_AS) as given:
        given.runner(NAME, ephemeral=False)
        foreign = given.host.base_dir / NAME / "home" / "foreign"
        foreign.mkdir(mode=0o755)
        (foreign / "file").touch()
        job = given.sandbox.submit_job("acme/widgets", [NAME], [{"run": "ls $HOME"}])
        seen = given.sandbox.wait_job(job, timeout=30)
        assert seen.conclusion == "success"
        assert any("Not all that earlier jobs left in" in each.message for each in seen.annotations), seen.annotations


@pytest.mark.parametrize("clean", ["tmp home", "cache", "tmp,", "true"])
def test_a_word_that_names_nothing_is_refused(host: Host, clean: str) -> None:
    if clean == "tmp,":
        assert host.settings(RUNNERCTL_CLEAN=clean).clean == ("tmp",)
        return
    with pytest.raises(ConfigInvalid, match="use tmp, home, work"):
        host.settings(RUNNERCTL_CLEAN=clean)
