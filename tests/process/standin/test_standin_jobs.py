"""The stand-in runner runs jobs, and ends them early, as GitHub's does; on a sandbox that takes nothing else."""

from __future__ import annotations

import json
import os
import re
import signal
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from runnerctl.core.host import processes
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.sandbox.values import JobView
from tests.support.sandboxes.listener import rest
from tests.support.sandboxes.standin import PACE, STAMP, StandIn, until

pytest_plugins = ("tests.support.sandboxes.standin_fixtures",)
pytestmark = [pytest.mark.timeout(40), pytest.mark.long]
REPOSITORY = "octo-org/tool"
Step = dict[str, Any]


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    """Directories of actions, ``NAME`` is ``octo/NAME``; write into it before the job is submitted."""
    (tmp_path / "actions").mkdir()
    for name in ("one", "two"):
        (tmp_path / "actions" / name).mkdir()
    return tmp_path / "actions"


@pytest.fixture
def github(tmp_path: Path, actions: Path) -> Iterator[Sandbox]:
    archive = tmp_path / "no-package"
    archive.write_bytes(b"none")
    known = {f"octo/{each.name}": each for each in actions.iterdir()}
    with Sandbox(archive=archive, strict=True, poll_seconds=50 * PACE, actions=known) as sandbox:
        yield sandbox
    assert sandbox.violations == []


@pytest.fixture
def begin(runner: StandIn, github: Sandbox) -> Callable[..., StandIn]:
    def start(**environment: str) -> StandIn:
        body = {"name": "n", "runner_group_id": 1, "labels": ["n"]}
        answer = rest(github, "POST", f"/repos/{REPOSITORY}/actions/runners/generate-jitconfig", body)
        runner.start("run", ACTIONS_RUNNER_INPUT_JITCONFIG=answer.json()["encoded_jit_config"], **environment)
        return runner

    return start


@pytest.fixture
def run(begin: Callable[..., StandIn], github: Sandbox) -> Callable[..., JobView]:
    """The job once it is over, and its runner too."""

    def job(*steps: Step | str, environment: dict[str, str] | None = None, **more: Any) -> JobView:
        submitted = github.submit_job(REPOSITORY, "n", [_step(each) for each in steps], **more)
        assert begin(**(environment or {})).exit_code() == 0
        return github.job(submitted)

    return job


Run = Callable[..., JobView]


def _step(step: Step | str) -> Step:
    return {"run": step} if isinstance(step, str) else step


def said(job: JobView) -> list[str]:
    """What the steps themselves wrote: without what is told about them."""
    own = [line for step in job.steps[1:-1] for line in step.lines]
    return [line for line in own if not line.startswith(("##", "\x1b", "shell: ", "env:", "with:", "  "))]


# A job that nothing disturbs.


def test_an_ephemeral_runner_does_one_job_and_is_gone(run: Run, runner: StandIn) -> None:
    job = run("echo hello from $RUNNER_NAME in $GITHUB_REPOSITORY; pwd")
    assert runner.seen[-2:] == ["√ Removed .credentials", "√ Removed .runner"]
    assert not list(runner.root.glob(".[rc]*"))
    assert said(job) == ["hello from n in octo-org/tool", str(runner.root / "_work/tool/tool")]
    assert len(list(runner.root.glob("_diag/Runner_*-utc.log"))) == 1
    assert len(list(runner.root.glob("_diag/Worker_*-utc.log"))) == 1
    assert not list(runner.root.glob("_diag/blocks/*"))


def test_both_programs_leave_what_the_runtime_leaves(run: Run) -> None:
    # Of a short name: a socket's may not be longer than 107 bytes.
    with tempfile.TemporaryDirectory(dir="/tmp") as temporary:
        run("true", environment={"TMPDIR": temporary})
        names = [path.name for path in Path(temporary).iterdir()]
    for pattern in (r"clr-debug-pipe-(\d+)-\d+-in", r"clr-debug-pipe-(\d+)-\d+-out",
                    r"dotnet-diagnostic-(\d+)-\d+-socket"):  # fmt: skip
        assert len({found[1] for name in names if (found := re.fullmatch(pattern, name))}) == 2


def test_steps_leave_word_for_each_other(run: Run) -> None:
    first = """echo COLOUR=green >> $GITHUB_ENV
printf 'POEM<<END\\ntwo\\nlines\\nEND\\n' >> $GITHUB_ENV
mkdir tools; printf '#!/bin/sh\\necho found\\n' > tools/finder; chmod +x tools/finder
echo $PWD/tools >> $GITHUB_PATH
echo answer=42 >> $GITHUB_OUTPUT"""
    second = 'echo "$COLOUR $POEM"; finder; cat Makefile; echo $EXTRA ${{ steps.first.outputs.answer }}'
    job = run(
        {"uses": "actions/checkout@v4"},
        {"id": "first", "run": first},
        {"run": second, "env": {"EXTRA": "step only"}},
        files={"Makefile": "all:\n"},
    )
    assert job.conclusion == "success", job.lines
    assert said(job)[-5:] == ["green two", "lines", "found", "all:", "step only 42"]


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ({"run": "true", "name": "${{ env.NOPE }}"}, "run"),
        ({"run": "true", "name": " \n"}, "run"),
        ({"run": ""}, "run"),
        ({"run": "\n"}, "Run "),
        ({"run": "true", "name": " two\nlines"}, "two"),
    ],
)
def test_a_step_is_never_without_a_name(run: Run, step: Step, name: str) -> None:
    job = run(step)
    assert job.conclusion == "success", job.lines
    assert job.steps[1].name == name


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ({"run": "echo ${{ bogus.x }}"}, "Run echo ${{ bogus.x }}"),
        ({"run": "echo ${{ bogus }} ${{ format('a, {0}', bogus.x) }}"},
         "Run echo ${{ bogus }} ${{ format('a, {0}', bogus.x) }}"),
        ({"run": "echo never", "name": "${{ bogus.x }}", "env": {"A": "${{ bogus.x }}"}}, "${{ bogus.x }}"),
        ({"run": "echo ${{ bogus }}", "name": "${{ format('{1}', bogus.x) }}"}, "${{ format('{1}', bogus.x) }}"),
        ({"run": "echo never", "if": "bogus.x == ''"}, "Run echo never"),
        ({"run": "echo never", "if": "true || bogus.x"}, "Run echo never"),
    ],
)  # fmt: skip
def test_a_step_that_asks_for_a_context_that_there_is_not_fails(run: Run, step: Step, name: str) -> None:
    job = run(step)
    assert (job.steps[1].name, job.steps[1].conclusion) == (name, "failure")
    assert "##[error]Unrecognized named-value: 'bogus'" in "\n".join(job.steps[1].lines)


def test_a_context_that_a_job_has_nothing_of_is_empty(run: Run) -> None:
    job = run("echo '${{ matrix.a }}${{ needs.a }}${{ vars.a }}${{ Inputs.a }}${{ strategy.b }}.'")
    assert said(job) == ["."]


def test_a_format_that_asks_for_more_than_it_is_given_fails_its_step(run: Run) -> None:
    job = run({"run": "echo ${{ format('{0} {1}', 'one') }}", "name": "n"})
    assert job.steps[1].conclusion == "failure"
    told = "##[error]The following format string references more arguments than were supplied: {0} {1}"
    assert told in job.steps[1].lines


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        # A text of more than an expression is true, whatever is in it.
        ("${{ false }} && ${{ false }}", True),
        ("${{ inputs.no == 'x' }}", False),
        ("inputs.no == 'always()'", False),
        ("'}}' == inputs.no", False),
    ],
)
def test_a_condition_inside_of_an_action_is_one_expression(run: Run, actions: Path, condition: str, runs: bool) -> None:
    written = "${{ format('x}}y {0}', inputs.no) }} and ${{ 'it''s' }}"
    steps = [{"if": condition, "shell": "sh", "run": f'echo "{written}"'}]
    write_action(actions / "one", {"inputs": {"no": {"default": "n"}}, "runs": {"using": "composite", "steps": steps}})
    job = run({"uses": "octo/one@v1"})
    assert job.conclusion == "success", job.lines
    assert said(job) == (["x}y n and it's"] if runs else [])


def test_a_failing_step_fails_the_job_and_ends_it(run: Run) -> None:
    job = run("false; echo unseen", "echo never", {"run": "echo last", "if": "failure()"})
    assert job.conclusion == "failure"
    assert [step.conclusion for step in job.steps] == ["success", "failure", "skipped", "success", "success"]
    assert said(job) == ["last"]
    assert [(each.level, each.message) for each in job.annotations] == [
        ("failure", "Process completed with exit code 1.")
    ]


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ("github.repository == 'octo-org/tool' && env.A != 'x'", True),
        ("contains(github.ref, 'main') || failure()", True),
        ("!startsWith(runner.os, 'Lin')", False),
        ("cancelled()", False),
        ("job.status == 'success' && format('{0}', 1) == '1'", True),
    ],
)
def test_a_condition_decides(run: Run, condition: str, runs: bool) -> None:
    job = run({"run": "echo it runs", "if": condition}, env={"A": "y"})
    assert ("it runs" in said(job)) is runs


@pytest.mark.parametrize(
    ("shell", "told"),
    [
        (None, "shell: BASH -e {0}"),
        ("bash", "shell: BASH --noprofile --norc -e -o pipefail {0}"),
        ("sh -x {0}", "shell: SH -x {0}"),
    ],
)
def test_a_shell_is_told_and_used(run: Run, shell: str | None, told: str) -> None:
    job = run({"run": "true", **({"shell": shell} if shell else {})})
    line = next(line for line in job.lines if line.startswith("shell: "))
    assert re.sub(r"/\S*/sh\b", "SH", re.sub(r"/\S*/bash\b", "BASH", line)) == told


def test_workflow_commands_become_annotations_and_masks(run: Run) -> None:
    job = run("""echo '::add-mask::swordfish'; echo it is swordfish
echo '::warning file=a.py,line=3,title=T::careful'; echo '::notice::by the way'; echo '::error::no'
echo '::group::G'; echo inside; echo '::endgroup::'
echo '::stop-commands::word'; echo '::warning::not this'; echo '::word::'""")
    assert "it is ***" in job.lines
    assert [(each.level, each.message) for each in job.annotations] == [
        ("warning", "careful"), ("notice", "by the way"), ("failure", "no"),
    ]  # fmt: skip
    assert "::warning::not this" in job.lines
    assert "##[group]G" in job.lines


def test_a_secret_is_not_read_in_a_log_also_when_it_is_printed(run: Run, github: Sandbox) -> None:
    job = run('echo "${{ github.token }} ${{ secrets.GITHUB_TOKEN }}"')
    assert said(job) == ["*** ***"]


def test_jobs_do_not_inherit_what_was_meant_for_the_runner(run: Run, runner: StandIn) -> None:
    (runner.root / ".env").write_text("FROM_FILE=yes\nLANG=C\n")
    seen = said(run("env"))
    assert "FROM_FILE=yes" in seen
    assert not [line for line in seen if "ACTIONS_RUNNER_INPUT" in line]
    assert {"CI=true", "GITHUB_ACTIONS=true", "RUNNER_OS=Linux", "GITHUB_ACTOR=octocat"} <= set(seen)
    assert not [line for line in seen if line.startswith(("ACTIONS_RUNTIME", "ACTIONS_ID_TOKEN"))]


# Hooks.


def test_hooks_run_around_the_job_as_steps(run: Run, tmp_path: Path) -> None:
    for name in ("started", "completed"):
        (tmp_path / f"{name}.sh").write_text(f"echo hook {name} of $GITHUB_REPOSITORY\n")
    hooks = {f"ACTIONS_RUNNER_HOOK_JOB_{name.upper()}": str(tmp_path / f"{name}.sh")
             for name in ("started", "completed")}  # fmt: skip
    job = run("echo job", environment=hooks)
    assert [step.name for step in job.steps] == ["Set up job", "Set up runner", "Run echo job", "Complete runner",
                                                 "Complete job"]  # fmt: skip
    assert said(job) == [
        "A job started hook has been configured by the self-hosted runner administrator",
        "hook started of octo-org/tool", "job",
        "A job completed hook has been configured by the self-hosted runner administrator",
        "hook completed of octo-org/tool",
    ]  # fmt: skip


def test_a_hook_sees_the_event_and_a_workflow_can_neither_hide_it_nor_reach_the_hook(run: Run, tmp_path: Path) -> None:
    """As with the real runner: what a workflow says of its environment is for its steps, and not of GITHUB_ names."""
    hook = 'echo "$GITHUB_EVENT_NAME $(tr -d "\\n " < $GITHUB_EVENT_PATH) ${MINE:-unset}"; exit 3\n'
    (tmp_path / "started.sh").write_text(hook)
    env = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": "/dev/null", "MINE": "set", "CI": "no"}
    job = run(
        "echo plain",
        {"run": "echo $MINE $CI $GITHUB_EVENT_NAME", "if": "always()"},
        env=env, event_name="pull_request", event={"number": 7},
        environment={"ACTIONS_RUNNER_HOOK_JOB_STARTED": str(tmp_path / "started.sh")},
    )  # fmt: skip
    assert job.conclusion == "failure"
    assert said(job)[1:] == ['pull_request {"number":7} unset', "set no pull_request"]


# Actions.


def write_action(directory: Path, definition: dict[str, Any], **files: str) -> None:
    """As authors do; the sandbox makes JSON of it, without which the stand-in cannot read it."""
    (directory / "action.yml").write_text(yaml.safe_dump(definition))
    for name, text in files.items():
        (directory / name.replace("_", ".")).write_text(text)


def test_a_javascript_action_runs_before_within_and_after(run: Run, actions: Path) -> None:
    write_action(
        actions / "one",
        {"inputs": {"who": {"default": "nobody"}, "what else": {"default": "${{ github.repository }}"}},
         "runs": {"using": "node20", "pre": "pre.js", "main": "main.js", "post": "post.js"}},
        pre_js="console.log('before')\n",
        main_js="""const fs = require('fs')
fs.appendFileSync(process.env.GITHUB_STATE, 'kept=yes\\n')
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'answer=42\\n')
console.log(`${process.env.INPUT_WHO} ${process.env.INPUT_WHAT_ELSE} ${!!process.env.ACTIONS_RUNTIME_TOKEN}`)
console.log(process.env.ACTIONS_RESULTS_URL ? 'results' : 'none')
""",
        post_js="console.log(`after ${process.env.STATE_kept}`)\n",
    )  # fmt: skip
    job = run({"id": "js", "uses": "octo/one@v1", "with": {"who": "mona"}}, "echo then ${{ steps.js.outputs.answer }}")
    assert [step.name for step in job.steps[1:-1]] == [
        "Pre Run octo/one@v1", "Run octo/one@v1", "Run echo then 42", "Post Run octo/one@v1",
    ]  # fmt: skip
    assert said(job) == ["before", "mona octo-org/tool true", "results", "then 42", "Post job cleanup.", "after yes"]


def test_a_javascript_action_that_fails_fails_its_step_and_cleans_up(run: Run, actions: Path) -> None:
    write_action(actions / "one", {"runs": {"using": "node20", "main": "main.js", "post": "post.js"}},
                 main_js="process.exitCode = 1\n", post_js="console.log('cleaned')\n")  # fmt: skip
    job = run({"uses": "octo/one@v1"}, "echo never")
    assert job.conclusion == "failure"
    assert said(job) == ["Post job cleanup.", "cleaned"]


def test_a_composite_action_hands_inputs_in_and_outputs_out(run: Run, actions: Path) -> None:
    write_action(actions / "one", {
        "inputs": {"who": {"default": "nobody"}},
        "outputs": {"greeting": {"value": "${{ steps.say.outputs.text }}"}},
        "runs": {"using": "composite", "steps": [
            {"id": "say", "shell": "bash", "run": "echo text=hello ${{ inputs.who }} >> $GITHUB_OUTPUT"},
            {"uses": "octo/two@v1", "with": {"what": "${{ steps.say.outputs.text }}"}},
            {"if": "inputs.who == 'mona'", "shell": "bash", "run": "ls $GITHUB_ACTION_PATH", "env": {"E": "1"}},
        ]},
    })  # fmt: skip
    write_action(
        actions / "two",
        {"inputs": {"what": {}}, "runs": {"using": "node20", "main": "m.js", "post": "p.js"}},
        m_js="console.log('nested ' + process.env.INPUT_WHAT)\n",
        p_js="console.log('nested post')\n",
    )
    job = run({"id": "c", "uses": "octo/one@v1", "with": {"who": "mona"}}, "echo ${{ steps.c.outputs.greeting }}")
    assert job.conclusion == "success", job.lines
    assert said(job) == ["nested hello mona", "action.yml", "hello mona", "Post job cleanup.", "Post job cleanup.",
                         "nested post"]  # fmt: skip


SCRIPT = {"run": "echo never", "shell": "sh"}


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ({"using": "composite", "steps": [{"run": "echo never"}]}, "Required property is missing: shell."),
        ({"using": "composite", "steps": [{**SCRIPT, "timeout-minutes": 1}]}, "Unexpected value 'timeout-minutes'."),
        ({"using": "composite", "steps": [{**SCRIPT, "uses": "octo/two@v1"}]}, "Unexpected value 'uses'."),
        ({"using": "composite", "steps": [{"name": "n"}]}, "Add one of these properties: run, shell, uses, with, work"),
        ({"using": "composite", "post": "p.js"}, "there are no steps provided."),
        ({"using": "node20"}, "There's not enough info to determine what you meant."),
        ({"using": "node20", "post": "p.js"}, "there is not an entry JavaScript file provided."),
        ({"using": "node20", "main": "m.js", "steps": []}, "Unexpected value 'steps'."),
        ('{"using": "node20", "main": "m.js", "Main": "m.js"}', "'Main' is already defined"),
        (None, "Top level 'runs:' section is required."),
    ],
)
def test_an_action_that_the_real_runner_does_not_load_fails_the_set_up(
    run: Run, actions: Path, runs: dict[str, Any] | str | None, told: str
) -> None:
    text = runs if isinstance(runs, str) else json.dumps(runs)
    (actions / "one" / "action.yml").write_text(f'{{"runs": {text}}}')
    (actions / "one" / "m.js").write_text("")
    job = run({"uses": "octo/one@v1"})
    assert [(step.name, step.conclusion) for step in job.steps] == [("Set up job", "failure")]
    assert "Failed to load" in job.steps[0].lines[-1]
    assert told in job.steps[0].lines[-1]


def test_what_a_composite_action_uses_has_its_before_and_after(run: Run, actions: Path) -> None:
    write_action(actions / "one", {"runs": {"using": "composite", "steps": [
        {"shell": "bash", "run": "echo first"}, {"uses": "octo/two@v1"}, {"shell": "bash", "run": "echo last"},
    ]}})  # fmt: skip
    write_action(
        actions / "two",
        {"runs": {"using": "node20", "pre": "a.js", "main": "b.js", "post": "c.js"}},
        a_js="console.log('before')\n",
        b_js="console.log('within')\n",
        c_js="console.log('after')\n",
    )
    job = run({"uses": "octo/one@v1"})
    assert [step.name for step in job.steps[1:-1]] == [
        "Pre Run octo/one@v1", "Run octo/one@v1", "Post Run octo/one@v1",
    ]  # fmt: skip
    told = [line for line in said(job) if line != "Post job cleanup."]
    assert told == ["before", "first", "within", "last", "after"]


def test_an_action_that_lies_in_the_repository_is_run_from_the_workspace(run: Run, actions: Path) -> None:
    write_action(actions / "two", {"runs": {"using": "node20", "main": "b.js"}}, b_js="console.log('fetched late')\n")
    mine = {"runs": {"using": "composite", "steps": [
        {"shell": "bash", "run": "echo from here"}, {"uses": "octo/two@v1"},
    ]}}  # fmt: skip
    job = run(
        {"uses": "actions/checkout@v4"}, {"uses": "./tools/mine"}, files={"tools/mine/action.yml": json.dumps(mine)}
    )
    assert job.conclusion == "success", job.lines
    assert said(job)[-2:] == ["from here", "fetched late"]


def test_checkout_takes_its_inputs_and_lays_the_files_where_it_is_told_to(run: Run) -> None:
    twice = [
        {
            "uses": "actions/checkout@v4",
            "with": {"fetch-depth": "0", "path": "a b/sub", "persist-credentials": "false"},
        },
        {"uses": "actions/checkout@v4", "with": {"path": "second"}},
    ]
    job = run(*twice, "touch second/left; find . -type f | sort", twice[1], "ls second", files={"f.txt": "x"})
    assert job.conclusion == "success", job.lines
    assert job.annotations == ()
    told = [line for line in said(job) if not line.startswith("Checked out")]
    assert told == ["./a b/sub/f.txt", "./second/f.txt", "./second/left", "f.txt"]


@pytest.mark.parametrize("path", ["/etc", "..", "a/../../b"])
def test_checkout_stays_below_the_workspace(run: Run, path: str) -> None:
    job = run({"uses": "actions/checkout@v4", "with": {"path": path}}, files={"f.txt": "x"})
    assert job.conclusion == "failure"
    assert f"Repository path '{path}' is not under" in "\n".join(job.steps[1].lines)


def test_an_action_that_is_not_there_fails_the_set_up(run: Run) -> None:
    job = run({"uses": "octo/nowhere@v1"}, {"uses": "octo/one@v1"}, "echo never")
    assert job.conclusion == "failure"
    assert [step.name for step in job.steps] == ["Set up job"]
    assert job.steps[0].lines[-1] == "##[error]Unable to resolve action `octo/nowhere@v1`, repository not found"
    assert not [line for line in job.lines if "Retrying" in line]


LATER = "please try again later"


@pytest.mark.parametrize(
    ("status", "told", "retries"),
    [
        (422, "Unprocessable Entity", 0),
        (429, f"Too Many Requests (GitHub has reached an internal rate limit, {LATER})", 0),
        (503, "Failed to resolve action download info. Service Unavailable", 2),
        (200, "Value cannot be null. (Parameter 'Actions')", 0),
    ],
)
def test_actions_are_asked_for_again_only_if_that_may_help(
    run: Run, github: Sandbox, status: int, told: str, retries: int
) -> None:
    github.add_fault(Fault("runnerresolve", status=status, body={}, times=None))
    job = run({"uses": "octo/one@v1"})
    assert job.conclusion == "failure"
    assert job.steps[0].lines[-1] == f"##[error]{told}"
    assert len([line for line in job.lines if line.startswith("Retrying in")]) == retries


def test_an_action_in_the_archive_cache_is_not_downloaded(run: Run, actions: Path, tmp_path: Path) -> None:
    """Its archive is found under the hash that the server names; what is in it is what runs."""
    write_action(actions / "one", {"runs": {"using": "node20", "main": "m.js"}}, m_js="console.log('served')\n")
    served = run({"uses": "octo/one@v1"})
    sha = next(line for line in served.lines if "(SHA:" in line)[-41:-1]
    (tmp_path / "top").mkdir()
    write_action(tmp_path / "top", {"runs": {"using": "node20", "main": "m.js"}}, m_js="console.log('cached')\n")
    (tmp_path / "top" / "action.yml").write_text(json.dumps({"runs": {"using": "node20", "main": "m.js"}}))
    (tmp_path / "cache/octo_one").mkdir(parents=True)
    with tarfile.open(tmp_path / f"cache/octo_one/{sha}.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "top", "top")
    cache = {"ACTIONS_RUNNER_ACTION_ARCHIVE_CACHE": str(tmp_path / "cache")}
    assert (said(served), said(run({"uses": "octo/one@v1"}, environment=cache))) == (["served"], ["cached"])


def test_a_keyless_job_gets_its_id_token(run: Run) -> None:
    asked = """curl -sSf -H "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \\
  "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=runnerctl" > answer
python3 -c 'import base64, json
claims = json.load(open("answer"))["value"].split(".")[1]
found = json.loads(base64.urlsafe_b64decode(claims + "=="))
print(found["aud"], found["repository"])'
echo "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" """
    job = run(asked, permissions={"id-token": "write"})
    assert job.conclusion == "success", job.lines
    assert said(job) == ["runnerctl octo-org/tool", "***"]


# Ending a job early.


def begun(github: Sandbox, job: int) -> None:
    until(lambda: "begun" in github.job(job).lines)


def test_what_steps_left_running_is_ended(run: Run, tmp_path: Path) -> None:
    job = run(f"setsid sleep 300 > /dev/null 2>&1 & echo $! > {tmp_path}/pid; sleep 0.1")
    pid = int((tmp_path / "pid").read_text())
    until(lambda: processes.identify(pid) is None)
    assert f"Terminate orphan process: pid ({pid}) (sleep)" in job.steps[-1].lines


def test_a_signal_is_for_the_steps_own_process_and_not_for_its_children(
    begin: Callable[..., StandIn], github: Sandbox, tmp_path: Path
) -> None:
    """The child that holds its output is waited for, then found by its tracking id."""
    child = f"trap 'touch {tmp_path}/child-heard' INT TERM; echo begun; while :; do sleep 0.01; done"
    script = f"trap 'touch {tmp_path}/step-heard; exit 0' INT; bash -c \"{child}\" & wait"
    job = github.submit_job(REPOSITORY, "n", [{"run": script}])
    runner = begin()
    begun(github, job)
    asked = time.monotonic()
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert (tmp_path / "step-heard").exists()
    assert not (tmp_path / "child-heard").exists()
    assert time.monotonic() - asked >= 5 * PACE, "what holds the output is waited for"
    assert any("Terminate orphan process" in line for line in github.job(job).lines)


@pytest.mark.parametrize(
    ("ignored", "seconds"),
    [("", 0.0), ("INT", 7.5), ("INT TERM", 10.0)],
)
def test_a_step_that_ignores_signals_climbs_the_ladder(
    begin: Callable[..., StandIn], github: Sandbox, ignored: str, seconds: float
) -> None:
    script = f"trap '' {ignored}; " * bool(ignored) + "echo begun; exec sleep 303"
    job = github.submit_job(REPOSITORY, "n", [{"run": script}])
    runner = begin()
    begun(github, job)
    steps = processes.descendants(runner.worker())
    asked = time.monotonic()
    github.cancel_job(job)
    runner.line(STAMP + "Job build completed with result: Canceled")
    assert seconds * PACE <= time.monotonic() - asked < seconds * PACE + 10
    assert github.wait_job(job).conclusion == "cancelled"
    assert "##[error]The operation was canceled." in github.job(job).lines
    until(lambda: not any(map(processes.identify, steps)))


def test_a_step_that_ignores_the_first_signal_is_asked_to_terminate_before_it_is_killed(
    begin: Callable[..., StandIn], github: Sandbox, tmp_path: Path
) -> None:
    script = f"trap '' INT; trap 'touch {tmp_path}/asked; exit 0' TERM; echo begun; while :; do sleep 0.01; done"
    job = github.submit_job(REPOSITORY, "n", [{"run": script}])
    runner = begin()
    begun(github, job)
    runner.signal(signal.SIGINT)
    assert runner.exit_code() == 0
    assert (tmp_path / "asked").exists()


def test_steps_that_always_run_do_so_after_a_cancellation_and_not_after_a_shutdown(
    begin: Callable[..., StandIn], github: Sandbox, tmp_path: Path
) -> None:
    (tmp_path / "completed.sh").write_text("echo hooked\n")
    steps = [{"run": "echo begun; exec sleep 303"}, {"run": "echo always", "if": "always()"}, {"run": "echo never"}]
    for end, expected in ((github.cancel_job, {"always", "hooked"}), (None, set())):
        job = github.submit_job(REPOSITORY, "n", steps)
        runner = begin(ACTIONS_RUNNER_HOOK_JOB_COMPLETED=str(tmp_path / "completed.sh"))
        begun(github, job)
        if end:
            end(job)
        else:
            runner.signal(signal.SIGINT)
        runner.exit_code()
        assert {"always", "hooked", "never"} & set(github.job(job).lines) == expected


def test_the_worker_outlives_a_killed_listener(begin: Callable[..., StandIn], github: Sandbox, tmp_path: Path) -> None:
    script = f"echo begun; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo finished"
    job = github.submit_job(REPOSITORY, "n", [{"run": script}])
    runner = begin()
    begun(github, job)
    runner.signal(signal.SIGKILL)
    assert runner.exit_code() == -signal.SIGKILL
    assert len(runner.workers()) == 1
    (tmp_path / "go").touch()
    assert github.wait_job(job).conclusion == "success"
    until(lambda: not runner.workers())


def test_a_worker_that_is_killed_fails_its_job_and_leaves_its_steps(
    begin: Callable[..., StandIn], github: Sandbox
) -> None:
    job = github.submit_job(REPOSITORY, "n", [{"run": "echo begun; exec sleep 300"}])
    runner = begin()
    begun(github, job)
    steps = processes.descendants(runner.worker())
    os.kill(runner.worker(), signal.SIGKILL)
    runner.line(STAMP + "Job build completed with result: Failed")
    assert github.wait_job(job).conclusion == "failure"
    assert steps
    for step in steps:  # nobody cleans up after a crashed Worker, neither does the real one
        os.kill(step, signal.SIGKILL)
    assert list(runner.root.glob("_diag/blocks/*")), "its log was not handed over"
