"""Jobs are strangers: what they try against the manager, the package, other runners and the host is refused."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import runnerctl
from runnerctl import core
from runnerctl.core.domain.errors import BackendFailed, ConfigInvalid, QuotaExceeded
from runnerctl.core.engine import routed
from runnerctl.core.host import job_traces, job_users, user_processes
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, remove, until
from tests.support.hosts.isolated import RUN_AS, USERS, Isolated, isolated, open_archive, open_top, python_for_all
from tests.support.hosts.mounting import mounting

__all__ = ["isolated", "open_archive", "open_top"]

pytestmark = pytest.mark.long


def processes_of(uid: int) -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _uid(path) == uid]


def _uid(path: Path) -> int | None:
    try:
        status = (path / "status").read_text()
    except OSError:
        return None
    dead = "\nState:\tZ" in status
    return None if dead else int(status.split("\nUid:\t")[1].split()[0])


# --- What a job tries. Each prints BREACH if it succeeds.

ATTACKS = {
    "read the env file with the App's key": "cat {top}/runnerctl.env && echo BREACH",
    "list the state directory": "ls {state} && echo BREACH",
    "read the database": "cat {state}/runnerctl.db && echo BREACH",
    "read the token cache": "cat {state}/tokens && echo BREACH",
    "read how it was launched": "cat {state}/runners/*/launch.json && echo BREACH",
    "read the log by the root's own link": "cat {root}/runner.log && echo BREACH",
    "forge the log": "echo forged >> {root}/runner.log && echo BREACH",
    "put another log in its place": "rm -f {root}/runner.log && echo BREACH",
    "put another pid in its place": "mv {root}/runner.pid {root}/was && echo BREACH",
    "forge the supervisor's record": "echo '{{}}' > {state}/runners/{id}/supervisor.json && echo BREACH",
    "write to the runner's program": "echo x >> {root}/bin/Runner.Listener && echo BREACH",
    "make the runner's program writable": "chmod u+w {root}/bin/Runner.Listener && echo BREACH",
    "replace the runner's programs": "mv {root}/bin {root}/was && echo BREACH",
    "write to the package store": "echo x > {packages}/x && echo BREACH",
    "write to the externals": "echo x > {root}/externals/x && echo BREACH",
    "change the script that runs before its jobs": "echo exit 0 > $ACTIONS_RUNNER_HOOK_JOB_STARTED && echo BREACH",
    "put another script in its place": "touch x && mv -f x $ACTIONS_RUNNER_HOOK_JOB_STARTED && echo BREACH",
    "do without the script that runs before its jobs": (
        "[ -r $ACTIONS_RUNNER_HOOK_JOB_STARTED ] || echo BREACH; rm -f $ACTIONS_RUNNER_HOOK_JOB_STARTED && echo BREACH"
    ),
    "read another runner's key": "cat {other}/.credentials_rsaparams && echo BREACH",
    "list another runner's work": "ls {other}/_work/ && echo BREACH",
    "write into another runner's root": "echo x > {other}/x && echo BREACH",
    "signal the supervisor": "kill -0 {supervisor} && echo BREACH",
    "signal another runner": "kill -0 {other_listener} && echo BREACH",
    "signal init": "kill -0 1 && echo BREACH",
    "read the supervisor's environment": "cat /proc/{supervisor}/environ && echo BREACH",
    "read the supervisor's memory": "head -c 1 /proc/{supervisor}/mem && echo BREACH",
    "open the supervisor's files": "ls -l /proc/{supervisor}/fd/ | grep -q -e '->' && echo BREACH",
    "read another runner's environment": "cat /proc/{other_listener}/environ && echo BREACH",
    "become root by a set-user-id program": "su -c true < /dev/null && echo BREACH; [ $(id -u) = 0 ] && echo BREACH",
    "gain privileges": "grep -q 'NoNewPrivs:.*0' /proc/self/status && echo BREACH",
    "keep a group of the manager's": '[ "$(id -G)" = {gid} ] || echo BREACH',
    "dump core": '[ "$(ulimit -c)" = 0 ] || echo BREACH',
    "leave the runner's cgroup": "echo $$ > /sys/fs/cgroup/unified/cgroup.procs && echo BREACH",
    "lower its own score for the out-of-memory killer": "echo -500 > /proc/self/oom_score_adj && echo BREACH",
    "better its priority": "renice -n 0 -p $$ > /dev/null && echo BREACH",
    "find a secret in its environment": "env | grep -Ei 'ghs_|ghp_|BEGIN|API_TOKEN|PRIVATE' && echo BREACH",
}


ONLY_BY_USER = {
    "write to the runner's program",
    "make the runner's program writable",
    "replace the runner's programs",
    "put another log in its place",
    "put another pid in its place",
    "keep a group of the manager's",
    "become root by a set-user-id program",
    "leave the runner's cgroup",
    "lower its own score for the out-of-memory killer",
    "better its priority",
    "signal init",
    "list the state directory",
    "list another runner's work",
}
"""What only a user of its own keeps a job from."""


def test_what_jobs_try_against_manager_and_neighbours_is_refused(isolated: Isolated) -> None:
    ours = attack(isolated, ATTACKS)
    assert core.runner_status(isolated.services, "ours").degraded is None
    assert routed.observe(isolated.services, ours).running


@pytest.mark.persistent
def test_landlock_refuses_most_of_it_to_jobs_that_run_as_the_manager(
    landlock: None, host: Host, sandbox: Sandbox
) -> None:
    host.write_env_file(RUNNERCTL_FORK_GUARD="true")
    services = Services.open(settings.load(environ={}, env_file=str(host.env_file)))
    attacked = Isolated(host=host, services=services, sandbox=sandbox)
    attack(attacked, {name: script for name, script in ATTACKS.items() if name not in ONLY_BY_USER})
    assert core.runner_status(services, "ours").degraded is not None
    assert "fine" in attacked.run("ours", "echo fine > $HOME/x && mkdir -p a/b && mv a/b c && cat $HOME/x && ls /usr")


@pytest.fixture
def confined(landlock: None, host: Host, services: Services, sandbox: Sandbox) -> Isolated:
    """Jobs run as ourselves, under Landlock."""
    return Isolated(host=host, services=services, sandbox=sandbox)


def test_under_landlock_a_job_lists_every_directory_above_it(confined: Isolated) -> None:
    """As the real Listener does at its start, and ends where it may not: contract/real-runner.md, Start."""
    confined.runner("lister")
    said = confined.run(
        "lister", 'cd -P "$PWD"; until [ "$PWD" = / ]; do cd ..; ls -a > /dev/null; echo "listed $PWD"; done'
    )
    root = confined.host.base_dir / "lister" / "_work"
    assert {f"listed {above}" for above in root.resolve().parents} <= set(said.splitlines())


WITH_NAMES_ALONE = {
    "open what it found": "find {state} {other} -type f -exec head -c1 {{}} + 2>/dev/null | grep -q . && echo BREACH",
    "write below": "find {state} -type d -exec touch {{}}/x \\; ; find {state} -name x | grep -q . && echo BREACH",
    "run what it found": "for each in {state}/* {other}/bin/Runner.*; do $each --version && echo BREACH; done",
    "take a name away": "mv {state}/runnerctl.db {state}/was && echo BREACH; rm -f {top}/runnerctl.env && echo BREACH",
    "lay a link": "ln {state}/runnerctl.db db && echo BREACH; ln -s {state}/tokens t && cat t && echo BREACH",
    "enter a directory and read from there": "cd {state} && cat runnerctl.db && echo BREACH",
}


@pytest.mark.persistent
def test_under_landlock_names_are_all_that_a_job_gets_of_what_is_hidden(confined: Isolated) -> None:
    attack(confined, WITH_NAMES_ALONE)
    assert (confined.host.state_dir / "runnerctl.db").exists()


@pytest.mark.parametrize("named", [".packages", "deep/er/still", "key.pem", "one/key.pem,other"])
def test_under_landlock_what_is_named_inside_a_hidden_directory_opens_nothing_of_it(
    landlock: None, tmp_path: Path, named: str
) -> None:
    """Such as the package store in the base directory, which is the default, and a key beside the env file."""
    hidden, mine = tmp_path / "hidden", tmp_path / "mine"
    inside = [hidden / each for each in named.split(",")]
    for path in (mine, *inside):
        path.mkdir(parents=True)
    for path in (hidden, *inside, mine):
        (path / "secret").write_text("x")
    enter = (
        "import sys; supervisor, mine, *hidden = sys.argv[1:]; sys.path.insert(0, supervisor);"
        " import confinement as c; c.Confinement(hidden=hidden, home=mine, shared='/nowhere').restrict();"
        " [print(line) for line in read()]"
    )
    read = (
        "import pathlib\n"
        "def read():\n"
        "    for path in PATHS:\n"
        "        try: yield path + ' ' + pathlib.Path(path).read_text()\n"
        "        except PermissionError: yield path + ' refused'\n"
    )
    paths = [str(each / "secret") for each in (mine, hidden, *inside)]
    supervisor = Path(runnerctl.__file__).parent / "supervisor"
    argv = [sys.executable, "-c", f"PATHS = {paths}\n{read}{enter}", str(supervisor), str(mine)]
    said = subprocess.run([*argv, str(hidden), *map(str, inside)], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [f"{paths[0]} x", *(f"{path} refused" for path in paths[1:])]


def test_under_landlock_a_job_reads_no_neighbours_key_where_packages_lie_beside_it(
    landlock: None, host: Host, sandbox: Sandbox
) -> None:
    services = host.services(RUNNERCTL_PACKAGE_DIR="")
    confined = Isolated(host=host, services=services, sandbox=sandbox)
    assert services.settings.package_dir.is_relative_to(services.settings.base_dir)
    confined.runner("other")
    confined.runner("ours")
    key = services.settings.base_dir / "other" / ".credentials_rsaparams"
    assert key.exists()
    said = confined.run("ours", f"cat {key} > /dev/null 2>&1 && echo BREACH; echo tried").splitlines()
    assert ("tried" in said, "BREACH" in said) == (True, False)


def test_under_landlock_a_job_has_the_null_device_though_it_stands_for_no_env_file(
    landlock: None, host: Host, sandbox: Sandbox
) -> None:
    loaded = settings.load(environ=host.variables(), env_file="/dev/null")
    with closing(Services.open(loaded)) as services:
        confined = Isolated(host=host, services=services, sandbox=sandbox)
        confined.runner("ours")
        assert "fine" in confined.run("ours", "cat < /dev/null > /dev/null && echo fine").splitlines()


def attack(isolated: Isolated, attacks: dict[str, str]) -> core.Runner:
    services, host = isolated.services, isolated.host
    other = isolated.runner("other", ephemeral=False)
    ours = isolated.runner("ours", ephemeral=False)
    supervisor, _ = routed.processes(services, ours)
    facts = {
        "top": host.top,
        "state": host.state_dir,
        "root": host.base_dir / "ours",
        "other": host.base_dir / "other",
        "packages": host.package_dir,
        "id": ours.id,
        "supervisor": supervisor.pid,
        "other_listener": routed.processes(services, other)[1].pid,
        "gid": ours.job_gid,
    }
    script = "\n".join(
        f"echo {shlex.quote('== ' + name)}; ( {attack.format(**facts)} ) 2>&1 || true"
        for name, attack in attacks.items()
    )
    said = isolated.run("ours", script)
    for name in attacks:
        part = said.partition(f"== {name}\n")[2].partition("\n== ")[0]
        assert f"== {name}" in said
        assert "BREACH" not in part, f"a job could {name}: {part}"
    return ours


def test_jobs_have_a_home_and_a_tmp_of_their_own(isolated: Isolated) -> None:
    isolated.runner("one", ephemeral=False)
    isolated.runner("two", ephemeral=False)
    root = isolated.host.base_dir / "one"
    said = isolated.run(
        "one",
        'echo "home=$HOME tmp=$TMPDIR umask=$(umask)"; env | grep ^XDG_ | sort; '
        "echo mine > /tmp/mine; echo mine > /var/tmp/mine2; "
        "touch $HOME/x; ls -d /dev/shm; mkdir -p sub && echo work=$(pwd)",
    )
    assert f"home={root}/home tmp=/tmp umask=0022" in said
    places = {"CACHE": ".cache", "CONFIG": ".config", "DATA": ".local/share", "STATE": ".local/state"}
    assert "".join(f"XDG_{name}_HOME={root}/home/{place}\n" for name, place in places.items()) in said
    assert f"work={root}/_work" in said
    assert not Path("/tmp/mine").exists()
    assert (root / "tmp" / "mine").read_text() == "mine\n"
    assert "mine" not in isolated.run("two", "ls /tmp /var/tmp")


def test_each_runner_has_a_user_of_its_own_and_gives_it_back_clean(isolated: Isolated) -> None:
    services = isolated.services
    runners = [isolated.runner(f"r{number}", ephemeral=False) for number in range(len(USERS))]
    assert {runner.job_uid for runner in runners} == set(USERS)
    with pytest.raises(QuotaExceeded, match="Every user"):
        create(services, isolated.host.spec("one-more"))
    uid = runners[0].job_uid
    assert uid is not None
    isolated.run(
        "r0",
        "(setsid env -i /bin/sleep 300 &) ; echo left > /dev/shm/left-by-a-job; ipcmk -M 4096 -S 1 -Q || true; true",
    )
    assert not Path("/dev/shm/left-by-a-job").exists(), "it sees its own"
    remove(services, "r0", force=True)
    assert processes_of(uid) == []
    assert not Path("/dev/shm/left-by-a-job").exists()
    assert all(str(uid) not in line.split() for kind in ("shm", "msg", "sem") for line in ipc(kind))
    assert isolated.runner("next", ephemeral=False).job_uid == uid


def ipc(kind: str) -> list[str]:
    return Path(f"/proc/sysvipc/{kind}").read_text().splitlines()[1:]


def test_a_fork_bomb_is_bounded_and_dies_with_its_runner(isolated: Isolated) -> None:
    runner = isolated.runner("bomb")
    uid = runner.job_uid
    assert uid is not None
    # Where no more are allowed it tries again a hundred times a second each: all of the host is not to stand still.
    bomb = "python3 -c 'import os, time\nwhile True:\n try: os.fork()\n except OSError: time.sleep(0.01)'"
    isolated.sandbox.submit_job("acme/widgets", ["bomb"], [{"run": bomb}])
    until(lambda: len(processes_of(uid)) > 30)
    assert len(processes_of(uid)) <= 60
    remove(isolated.services, "bomb", force=True)
    assert processes_of(uid) == []


def test_a_job_gets_what_it_is_given_groups_and_set_user_id_programs(isolated: Isolated) -> None:
    given = {"RUNNERCTL_RUN_AS": RUN_AS, "RUNNERCTL_RUN_AS_GROUPS": "61599", "RUNNERCTL_NO_NEW_PRIVS": "false"}
    with closing(isolated.host.services(**given)) as services:
        runner = replace(isolated, services=services).runner("ours")
        degraded = core.runner_status(services, "ours").degraded or ""
    said = isolated.run("ours", "id -G; grep NoNewPrivs: /proc/self/status")
    assert f"{runner.job_gid} 61599" in said.splitlines()
    assert "NoNewPrivs:\t0" in said.splitlines()
    assert "Jobs may gain privileges" in degraded


@pytest.mark.parametrize(
    ("name", "value"), [("RUNNERCTL_NO_NEW_PRIVS", "false"), ("RUNNERCTL_RUN_AS_GROUPS", "docker")]
)
def test_what_would_be_ignored_without_users_is_refused(host: Host, name: str, value: str) -> None:
    with closing(host.services(**{name: value})) as services, pytest.raises(ConfigInvalid, match="needs run_as"):
        services.check_fitting()


LEAVES_A_MESS = """
import os
os.makedirs("shut/in"), os.chmod("shut/in", 0), os.chmod("shut", 0)
os.symlink({outside!r}, "out"), os.symlink("/", "all"), os.mkdir("mount")
here = os.open(".", os.O_RDONLY)
for level in range(2_000):
    os.mkdir("d", dir_fd=here)
    deeper = os.open("d", os.O_RDONLY, dir_fd=here)
    os.close(here)
    here = deeper
if os.fork() == 0:
    os.setsid()
    while True:
        os.rename("out", "away"), os.rename("away", "out")
"""


def test_a_removal_deletes_whatever_a_job_left_and_nothing_outside(isolated: Isolated, open_top: Path) -> None:
    ours = isolated.runner("ours", ephemeral=False)
    root = isolated.services.root("ours")
    with mounting(open_top) as mounts:
        mounts.outside.chmod(0o777)
        script = shlex.quote(LEAVES_A_MESS.format(outside=str(mounts.outside)))
        said = isolated.run("ours", f"pwd; RUNNER_TRACKING_ID= {python_for_all()} -c {script} > /dev/null 2>&1")
        (where,) = [line for line in said.splitlines() if line.startswith(str(root))]
        mounts.bind(Path(where) / "mount")
        remove(isolated.services, "ours")
    assert isolated.host.roots() == []
    assert not processes_of(ours.job_uid)


@pytest.mark.parametrize("ephemeral", [True, False])
def test_the_identity_belongs_to_the_job_user_and_the_root_to_the_manager(isolated: Isolated, ephemeral: bool) -> None:
    runner = isolated.runner("r", ephemeral=ephemeral)
    root = isolated.host.base_dir / "r"
    assert (root.stat().st_uid, root.stat().st_gid, stat.S_IMODE(root.stat().st_mode)) == (0, runner.job_gid, 0o1770)
    for name in (".runner", ".credentials", ".credentials_rsaparams"):
        found = (root / name).lstat()
        assert found.st_uid == runner.job_uid, name
        if name != ".runner":
            assert stat.S_IMODE(found.st_mode) == 0o600, name


def test_an_adopted_runner_keeps_its_user_and_its_job(isolated: Isolated) -> None:
    services, host = isolated.services, isolated.host
    runner = isolated.runner("r")
    go = host.base_dir / "r" / "tmp" / "go"
    job = isolated.sandbox.submit_job(
        "acme/widgets", ["r"], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done; id -u"}]
    )
    until(lambda: routed.working(services, runner))
    supervisor, _ = routed.processes(services, runner)
    os.kill(supervisor.pid, 9)
    until(lambda: not routed.supervised(services, runner))
    core.reconcile_runner(services, runner.id)
    until(lambda: routed.supervised(services, runner))
    go.touch()
    seen = isolated.sandbox.wait_job(job, timeout=20)
    assert seen.conclusion == "success"
    assert str(runner.job_uid) in "\n".join(seen.lines)
    until(lambda: not (services.store.get(runner.id) or runner).live)
    assert processes_of(runner.job_uid or 0) == []


def test_a_user_with_processes_of_its_own_is_passed_over(isolated: Isolated) -> None:
    sleeping = subprocess.Popen(["/bin/sleep", "60"], user=USERS[0], group=USERS[0], extra_groups=())
    try:
        assert isolated.runner("r").job_uid == USERS[1]
    finally:
        sleeping.kill()
        sleeping.wait()


# --- Settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ci", ("ci",)),
        ("runner-{1..3}", ("runner-1", "runner-2", "runner-3")),
        ("60001-60003", ("60001", "60002", "60003")),
        ("ci, 60001", ("ci", "60001")),
    ],
)
def test_run_as_names_users_ranges_and_ids(text: str, words: tuple[str, ...]) -> None:
    assert job_users.parse(text) == words


@pytest.mark.parametrize(
    "text", ["", "0", "5-1", "a b", "Root!", "ci,ci", "x{3..1}", "1-99999", "-1", "4294967295", "a,,b"]
)
def test_what_names_no_users_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"use|twice"):
        job_users.parse(text)


@pytest.mark.parametrize(("word", "why"), [("nobody-of-that-name", "does not exist"), ("root", "root")])
def test_unknown_users_and_root_are_refused(word: str, why: str) -> None:
    with pytest.raises(ConfigInvalid, match=why):
        job_users.resolve((word,))


@pytest.mark.parametrize("user", [(0, 0), (os.geteuid(), os.getegid())])
def test_nothing_of_root_or_of_ourselves_is_ever_killed_by_user(user: tuple[int, int]) -> None:
    with pytest.raises(BackendFailed, match="is not a job user"):
        user_processes.kill_all(user, seconds=1)


def test_traces_are_cleared_of_one_user_only(as_root: None) -> None:
    ours, theirs = Path("/dev/shm/of-ours"), Path("/dev/shm/of-theirs")
    for path, uid in ((ours, USERS[1]), (theirs, USERS[2])):
        path.mkdir()
        (path / "deep").symlink_to("/etc")
        os.chown(path, uid, uid)
    try:
        job_traces.clear(USERS[1])
        assert not ours.exists()
        assert theirs.exists()
        assert Path("/etc/passwd").exists()
    finally:
        job_traces.clear(USERS[2])


def test_where_a_job_comes_from_is_heard_of_one_with_a_user_of_its_own(isolated: Isolated) -> None:
    runner = isolated.runner("once")
    isolated.run("once", "test -f $RUNNERCTL_JOB_FILE")
    store = isolated.services.store
    job = until(lambda: store.last_job(runner.id))
    assert (job.repository, job.result, job.result_from) == ("acme/widgets", "succeeded", "listener")
