"""What a rehearsal makes of what a job said, and of why a runner or a job failed."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from runnerctl.core.settings import load as settings
from runnerctl.core.settings.copied import copy_settings
from runnerctl.rehearsal import inside
from runnerctl.rehearsal.causes import cause, checked
from runnerctl.rehearsal.job_failures import job_failure
from runnerctl.rehearsal.look_around import Expected
from runnerctl.rehearsal.place import Place
from runnerctl.rehearsal.proofs import Level, Proof
from runnerctl.sandbox.values import JobView, StepView

MANAGER, USER, ANOTHER = 1000, 60001, 60002
EXPECTED = Expected(
    manager=MANAGER,
    user=USER,
    units=False,
    confined=True,
    ours=(),
    neighbour=(Path("/runners/other/.credentials"),),
    github="http://127.0.0.2",
)
BEHIND_A_PROXY = replace(EXPECTED, proxy="http://me:secret@proxy:3128", target="github.com:443")
SAID = {"uid": str(USER), "privileges": "1", "sudo": "refused", "network": "reached", "done": "1"}


def found(expected: Expected = EXPECTED, **said: str) -> dict[str, tuple[str, str, str]]:
    lines = [f"rehearsal {word} {text}" for word, text in {**SAID, **said}.items()]
    return {each.check: (each.level, each.message, each.hint) for each in inside.proofs(lines, expected)}


def test_a_job_that_finds_all_as_it_should_be_proves_it() -> None:
    assert {level for level, _, _ in found().values()} == {"ok"}
    assert set(found()) == {"user", "privileges", "secrets", "neighbours", "network"}


@pytest.mark.parametrize(
    ("check", "said", "message"),
    [
        ("user", {"uid": str(ANOTHER)}, "and not as the settings say"),
        ("privileges", {"privileges": "0"}, "Jobs can gain privileges"),
        ("neighbours", {"neighbour": "/runners/other/.credentials"}, "another runner's .credentials"),
        ("network", {"network": "refused"}, "cannot reach 127.0.0.2"),
        ("variables", {"differs": "GREETING"}, "do not get GREETING"),
        ("certificates", {"certificate": "SSL_CERT_FILE"}, "SSL_CERT_FILE names"),
    ],
)
def test_what_a_job_finds_otherwise_is_an_error_that_says_what_to_do(
    check: str, said: dict[str, str], message: str
) -> None:
    level, told, hint = found(**said)[check]
    assert level == "error"
    assert message in told
    assert hint


def test_a_look_that_did_not_end_proves_nothing() -> None:
    (proof,) = inside.proofs(["rehearsal uid 1000", "rehearsal privileges 1"], EXPECTED)
    assert (proof.check, proof.level) == ("inside", "error")


@pytest.mark.parametrize(("uid", "level"), [(61184, "ok"), (USER, "error"), (MANAGER, "error")])
def test_a_units_job_has_a_user_that_systemd_made(uid: int, level: str) -> None:
    assert found(replace(EXPECTED, units=True, user=None), uid=str(uid))["user"][0] == level


def test_without_run_as_a_job_has_the_managers_user_and_that_is_said() -> None:
    level, message, _ = found(replace(EXPECTED, user=None), uid=str(MANAGER))["user"]
    assert (level, message.endswith("the same user as runnerctl")) == ("ok", True)


@pytest.mark.parametrize(
    ("answer", "level", "message"),
    [
        ("200", "ok", "connects jobs to github.com:443"),
        ("407", "error", "asks for a password (407)"),
        ("403", "error", "refuses to connect to github.com:443 (403)"),
        ("502", "error", "refuses to connect to github.com:443 (502)"),
        ("refused", "error", "takes no connections"),
        ("missing", "error", "jobs do not get it"),
    ],
)
def test_what_a_proxy_answers_is_told_without_its_password(answer: str, level: str, message: str) -> None:
    told = found(BEHIND_A_PROXY, proxy=answer)["proxy"]
    assert told[0] == level
    assert message in told[1]
    assert "secret" not in "".join(told)


def test_a_proxy_that_a_shell_cannot_ask_is_not_tried() -> None:
    over_tls = replace(BEHIND_A_PROXY, proxy="https://proxy:3129")
    pages_only = replace(BEHIND_A_PROXY, target="")
    assert {found(each)["proxy"][0] for each in (over_tls, pages_only)} == {"skipped"}


@pytest.mark.parametrize(
    ("mode", "uid", "hint"),
    [(0o644, USER, "chmod o= {}"), (0o640, USER, "chmod go= {}"), (0o600, MANAGER, "Set run_as")],
)
def test_a_key_that_a_job_can_read_is_told_with_why_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, uid: int, hint: str
) -> None:
    key = tmp_path / "app.pem"
    key.touch()
    key.chmod(mode)
    monkeypatch.setattr(Path, "parents", property(lambda _: [Path("/")]))  # pytest shuts its own
    level, message, told = found(replace(EXPECTED, user=uid), uid=str(uid), read=str(key))["secrets"]
    assert (level, told) == ("error", hint.format(key))
    assert str(key) in message


def test_a_mode_is_no_cause_below_a_directory_that_is_shut(tmp_path: Path) -> None:
    shut = tmp_path / "state"
    shut.mkdir(mode=0o700)
    keys = [shut / "tokens", shut / "runnerctl.db"]
    for key in keys:
        key.touch(mode=0o644)
    lines = [f"rehearsal {word} {text}" for word, text in {**SAID, "uid": str(MANAGER)}.items()]
    lines += [f"rehearsal read {key}" for key in keys]
    (told,) = (each for each in inside.proofs(lines, replace(EXPECTED, user=None)) if each.check == "secrets")
    assert f"A job can read '{keys[0]}', and 1 more like that: jobs run as the same user" in told.message
    assert told.hint == "Set run_as"


# --- Why a runner did not start, and why a job failed ---


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("Process terminated. Couldn't find a valid ICU package installed on the system.", "libicu", "apt-get"),
        ("No usable version of libssl was found", "libssl", "apt-get"),
        (
            "Permission to read the directory contents is required for '/srv/x' and each directory up the hierarchy.",
            "cannot list /srv/x",
            "chmod o+rx /srv/x",
        ),
        ("/lib64/libc.so.6: version `GLIBC_2.28' not found (required by ./libcoreclr.so)", "GLIBC_2.28", "newer"),
        ("[Errno 8] Exec format error: 'bin/Runner.Listener'", "another processor", "uname -m"),
    ],
)
def test_the_runners_own_words_tell_the_cause(said: str, message: str, hint: str) -> None:
    told = cause("Runner 'x' ended: crashed", f"some line\n{said}\n   at System.Environment.FailFast()\n")
    assert told is not None
    assert message in told[0]
    assert hint in told[1]


def test_what_the_checks_say_to_do_about_the_same_library_wins() -> None:
    told = [
        Proof(check="libraries", level=Level.OK, message="The libraries are there"),
        Proof(check="libraries", level=Level.WARN, message="libssl is missing: x", hint="apt-get install libssl3"),
        Proof(check="libraries", level=Level.WARN, message="libicu is missing: x", hint="apt-get install libicu72"),
    ]
    assert checked("libicu is missing, and the runner does not start", told) == "apt-get install libicu72"
    assert checked("The hook fails every job", told) is None


def test_words_that_tell_nothing_are_no_cause() -> None:
    assert cause("Runner 'x' ended", "Listening for Jobs") is None


def failed_job(*lines: str, name: str = "Set up runner") -> JobView:
    step = StepView(
        number=1,
        name=name,
        status="completed",
        conclusion="failure",
        started_at=None,
        completed_at=None,
        lines=lines,
        summary=None,
    )
    return JobView(
        id=1,
        run_id=1,
        repository="o/r",
        name="rehearsal",
        workflow="CI",
        labels=(),
        status="completed",
        conclusion="failure",
        runner_id=1,
        runner_name="r",
        assignments=1,
        created_at=0.0,
        started_at=0.0,
        completed_at=1.0,
        lines=lines,
        steps=(step,),
        annotations=(),
    )


HOOK_LINES = (
    "A job started hook has been configured by the self-hosted runner administrator",
    "##[group]Run '/opt/hooks/before.sh'",
    "shell: /usr/bin/bash -e {0}",
    "##[endgroup]",
    "no space",
    "##[error]Process completed with exit code 1.",
)


def test_a_hook_is_named_as_the_settings_name_it() -> None:
    told = job_failure(failed_job(*HOOK_LINES), {"ACTIONS_RUNNER_HOOK_JOB_STARTED": "/opt/hooks/before.sh"})
    assert "ACTIONS_RUNNER_HOOK_JOB_STARTED names '/opt/hooks/before.sh'" in told.message
    assert "no space / Process completed with exit code 1." in told.message
    assert told.hint.endswith("bash -e /opt/hooks/before.sh")


def test_what_runs_before_each_job_without_a_hook_of_the_operators_is_ours() -> None:
    assert "What runnerctl runs before each job failed" in job_failure(failed_job(*HOOK_LINES), {}).message


def test_a_step_that_fails_is_told_with_its_last_words() -> None:
    told = job_failure(
        failed_job("bash: no such thing", "##[error]Process completed with exit code 127.", name="Run x"), {}
    )
    assert told.message == "Step 'Run x' failed: bash: no such thing / Process completed with exit code 127."


# --- The settings of a rehearsal ---


def test_a_copy_of_the_settings_says_the_same_but_for_what_was_changed(tmp_path: Path) -> None:
    environ = {
        "GITHUB_APP_ID": "1",
        "GITHUB_APP_PRIVATE_KEY": "the operator's",
        "RUNNERCTL_API_TOKEN": "the operator's",
        "RUNNERCTL_RUN_AS": "60001-60004",
        "RUNNERCTL_MAX_RUNNERS": "1",
        "RUNNERCTL_JOB_ENV": json.dumps({"GREETING": 'it\'s \\ "fine"'}),
        "RUNNERCTL_LIMITS_MEMORY_MAX": "512M",
        "RUNNERCTL_STATE_DIR": "/var/lib/theirs",
        "GITHUB_WFA_RUNNER_DEFAULTS__LABELS": "self-hosted,big",
    }
    ours = settings.load(environ=environ, env_file="/dev/null")
    changes = {"state_dir": str(tmp_path), "max_runners": None, "run_as": "60004"}
    proxy = "http://me:it's\\fine@proxy:3128"
    copied = copy_settings(ours, tmp_path, changes=changes, variables={"GITHUB_PAT": "another", "HTTPS_PROXY": proxy})
    assert copied.job_env == {"GREETING": 'it\'s \\ "fine"'}
    assert (copied.limits.memory_max, copied.defaults.labels) == (ours.limits.memory_max, ours.defaults.labels)
    assert (copied.run_as, copied.max_runners, copied.state_dir) == (("60004",), None, tmp_path)
    assert (copied.github.pat, copied.http.https_proxy) == ("another", proxy)
    assert (copied.github.app_id, copied.github.private_key, copied.server.api_token) == (None, None, None)
    files = [path for path in tmp_path.iterdir() if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert not any("the operator's" in path.read_text() for path in files)
    again = settings.load(environ={}, env_file=str(tmp_path / "runnerctl.env"))
    assert {key: value.value for key, value in again.values.items()} == {
        key: value.value for key, value in copied.values.items()
    }


# --- Its directories ---


def place(top: Path) -> Place:
    environ = {"RUNNERCTL_BASE_DIR": str(top / "new" / "runners"), "RUNNERCTL_PACKAGE_DIR": str(top / "elsewhere")}
    return Place(settings.load(environ=environ, env_file="/dev/null"), "abc123")


def test_directories_that_a_rehearsal_made_go_and_those_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    made = place(tmp_path)
    made.make()
    assert made.packages == tmp_path / "elsewhere" / ".rehearsal-abc123"
    assert stat.S_IMODE(made.state.stat().st_mode) == 0o700
    (made.state / "x").touch()
    assert list(made.clear(hooks=True)) == []
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["elsewhere"]


def test_what_somebody_else_put_beside_it_meanwhile_stays(tmp_path: Path) -> None:
    made = place(tmp_path)
    made.make()
    theirs = tmp_path / "new" / "runners" / "theirs"
    theirs.mkdir()
    assert list(made.clear(hooks=True)) == []
    assert theirs.is_dir()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("hooks", [True, False])
def test_scripts_that_it_made_in_the_store_go_only_where_no_runner_may_use_them(tmp_path: Path, hooks: bool) -> None:
    made, scripts = place(tmp_path), tmp_path / "elsewhere" / ".hooks"
    scripts.mkdir(parents=True)
    (scripts / "theirs.sh").touch()
    made.make()
    (scripts / "ours.sh").touch()
    assert list(made.clear(hooks=hooks)) == []
    assert (scripts / "theirs.sh").exists()
    assert (scripts / "ours.sh").exists() is not hooks
