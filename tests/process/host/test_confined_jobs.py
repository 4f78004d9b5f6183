"""Jobs that run as the manager's own user: what they may not change they may not open to others either, our own code
and the manager's home are out of reach, and whoever of them asks at the socket is not the operator.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import runnerctl
from runnerctl import core
from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.sandbox import Sandbox
from tests.process.server.test_front_door import ASK, GROUP, ask_at, socket_path
from tests.support.hosts.host import Host, Server, until
from tests.support.hosts.isolated import Isolated, python_for_all

__all__ = ["socket_path"]

PACKAGE = Path(runnerctl.__file__).parent


@pytest.fixture
def confined(landlock: None, host: Host, sandbox: Sandbox) -> Iterator[Isolated]:
    with closing(Services.open(settings.load(environ={}, env_file=str(host.env_file)))) as services:
        yield Isolated(host=host, services=services, sandbox=sandbox)


# Each is a line of Python; one that raises nothing is a breach. P is the path.
OPENS_TO_OTHERS = {
    "chmod": "os.chmod(P, 0o777)",
    "chmod by a descriptor that opens nothing": "os.chmod(f'/proc/self/fd/{os.open(P, os.O_PATH)}', 0o777)",
    "chmod by a descriptor of a directory": "os.fchmod(os.open(P, os.O_RDONLY | os.O_DIRECTORY), 0o777)",
    "give it away": "os.chown(P, 65534, 65534)",
    "change its times": "os.utime(P, (1, 1))",
    "set an attribute": "os.setxattr(P, 'user.x', b'x')",
    "add to its access list": "os.setxattr(P, 'system.posix_acl_access', ACL)",
    "cut it": "os.truncate(P, 0)",
    "rename it": "os.rename(P, P + '-was')",
    "lay a second name": "os.link(P, 'second'); os.chmod('second', 0o777)",
}
ACL = (
    "import struct; ACL = struct.pack('<I' + 'HHI' * 5, 2, 1, 7, 2**32 - 1, 2, 7, 65534, 4, 7, 2**32 - 1, 16, 7,"
    " 2**32 - 1, 32, 7, 2**32 - 1)"
)


def tries(paths: list[Path], lines: list[str], *, setup: str = "") -> str:
    """A step that tries each line on each path, and says ``BREACH`` of every one that works."""
    return f"{sys.executable} -ISB -c {shlex.quote(_tried(paths, lines, setup=setup))}"


def _tried(paths: list[Path], lines: list[str], *, setup: str = "") -> str:
    return f"""
import os, sys
{ACL}
{setup}
for P in {list(map(str, paths))!r}:
    for line in {lines!r}:
        if "fchmod" in line and not os.path.isdir(P): continue
        try: exec(line)
        except (OSError, PermissionError) as exc: print("refused", exc.strerror)
        else: print("BREACH", P, line)
print("tried")
"""


def modes(paths: list[Path]) -> dict[Path, tuple[int, int, int]]:
    found = {path: path.lstat() for path in paths}
    return {path: (stat.S_IMODE(each.st_mode), each.st_uid, each.st_size) for path, each in found.items()}


def test_what_a_job_may_not_change_it_may_not_open_to_others(confined: Isolated) -> None:
    """The key's file with 644, the state directory with 777, and anybody of this host reads them."""
    host = confined.host
    confined.runner("other")
    ours = confined.runner("ours")
    listener = (host.base_dir / "ours" / "bin" / "Runner.Listener").resolve()
    paths = [
        host.env_file,
        host.state_dir,
        host.state_dir / "runnerctl.db",
        host.state_dir / "runners" / ours.id / "launch.json",
        host.base_dir,
        host.base_dir / "other",
        host.base_dir / "other" / ".credentials_rsaparams",
        host.package_dir,
        listener,
        listener.parent,
    ]
    before = modes(paths)
    said = confined.run("ours", tries(paths, list(OPENS_TO_OTHERS.values()))).splitlines()
    assert "tried" in said
    assert [line for line in said if line.startswith("BREACH")] == []
    assert {path: seen for path, seen in modes(paths).items() if seen != before[path]} == {}


def test_in_its_work_a_job_changes_modes_owners_times_and_attributes_as_ever(confined: Isolated) -> None:
    confined.runner("ours")
    work = "os.makedirs('d/e', exist_ok=True); open('f', 'w').close()"
    lines = ["os.chmod(P, 0o700)", "os.utime(P, (1, 1))", "os.link(P, P + '2')", "os.rename(P + '2', P + '3')"]
    said = confined.run("ours", f"mkdir -p $HOME/h; {tries([Path('f')], lines, setup=work)}; chmod +x f && ls -l f")
    assert said.count("\nBREACH ") == len(lines)
    assert "-rwx" in said


# --- Our code

CHANGES_CODE = {
    "append to it": "os.close(os.open(P, os.O_WRONLY | os.O_APPEND))",
    "cut it": "os.close(os.open(P, os.O_WRONLY))",
    "lay a file beside it": "open(P + '/breach.pth', 'x').close(); os.unlink(P + '/breach.pth')",
    "make it writable": "os.chmod(P, os.stat(P).st_mode | 0o200)",
    "set it aside": "os.rename(P, P + '-was'); os.rename(P + '-was', P)",
}


def test_our_own_code_is_never_writable_for_a_job(confined: Isolated) -> None:
    """The virtual environment is the manager's: what a job added to it would run at the next start, unconfined."""
    confined.runner("ours")
    site = next(Path(each) for each in sys.path if Path(each).name == "site-packages")
    real = Path(sys.executable).resolve()
    code = [
        *(PACKAGE / "supervisor" / "start.py", PACKAGE / "supervisor", PACKAGE, PACKAGE / "core" / "__init__.py"),
        *(site, next(site.glob("*.pth")), site / "click" / "__init__.py", site.parents[2] / "bin" / "runnerctl"),
        *(Path(sys.executable), real, real.parent, Path(os.__file__), Path(sys.prefix), Path(sys.base_prefix)),
    ]
    assert all(path.exists() for path in code)
    said = confined.run("ours", tries(code, list(CHANGES_CODE.values()))).splitlines()
    assert "tried" in said
    assert [line for line in said if line.startswith("BREACH")] == []


def test_what_leads_to_our_code_is_no_jobs_to_move(confined: Isolated) -> None:
    """The links by which the interpreter is found, and the directories above: who moves those has us run another."""
    confined.runner("ours")
    links = [path for path in _on_the_way(Path(sys.executable)) if path.is_symlink()]
    above = [PACKAGE.parent, Path(sys.prefix).parent]
    said = confined.run("ours", tries([*links, *above], [CHANGES_CODE["set it aside"]])).splitlines()
    assert links
    assert "tried" in said
    assert [line for line in said if line.startswith("BREACH")] == []


def _on_the_way(path: Path) -> list[Path]:
    found = [path]
    while found[-1].is_symlink():
        found.append(found[-1].parent / found[-1].readlink())
    return found


# --- The manager's home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The manager's, with a key, tools and a cache in it."""
    made = tmp_path / "home"
    for name in (".ssh", ".cargo", ".cache"):
        (made / name).mkdir(parents=True)
    (made / ".ssh" / "id_rsa").write_text("the key\n")
    (made / ".cargo" / "tool").write_text("the tool\n")
    monkeypatch.setenv("HOME", str(made))
    return made


def test_the_managers_home_is_closed_but_for_what_a_setting_names(
    landlock: None, host: Host, sandbox: Sandbox, home: Path
) -> None:
    host.write_env_file(RUNNERCTL_LANDLOCK_ALLOW=f"{home}/.cargo, {home}/.cache:rw")
    with closing(Services.open(settings.load(environ={}, env_file=str(host.env_file)))) as services:
        confined = Isolated(host=host, services=services, sandbox=sandbox)
        confined.runner("ours")
        said = confined.run(
            "ours",
            f"cat {home}/.ssh/id_rsa && echo BREACH; ls {home}/.ssh && echo BREACH; touch {home}/x && echo BREACH;"
            f" chmod 755 {home} && echo BREACH; touch {home}/.cargo/x && echo BREACH;"
            f" chmod 777 {home}/.cargo && echo BREACH;"
            f" cat {home}/.cargo/tool; echo made > {home}/.cache/made; touch $HOME/x && echo $HOME; true",
        ).splitlines()
    assert "the tool" in said
    assert "the key" not in said
    assert "BREACH" not in said
    assert (home / ".cache" / "made").read_text() == "made\n"
    assert str(host.base_dir / "ours" / "home") in said


def test_a_runner_in_the_managers_home_works_and_its_neighbour_is_not_there(
    landlock: None, host: Host, sandbox: Sandbox, home: Path
) -> None:
    """Where an ordinary user's runners are by default: ~/.local/share/runnerctl."""
    base, state = home / ".local/share/runnerctl/runners", home / ".local/state/runnerctl"
    packages = base / ".packages"
    variables = {"RUNNERCTL_STATE_DIR": str(state), "RUNNERCTL_PACKAGE_DIR": str(packages)}
    with closing(host.services(**variables, GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(base))) as services:
        confined = Isolated(host=host, services=services, sandbox=sandbox)
        confined.runner("other")
        confined.runner("ours")
        said = confined.run(
            "ours",
            f"pwd; ls {base}; cat {state}/runnerctl.db && echo BREACH; chmod 777 {state} && echo BREACH; touch a; true",
        ).splitlines()
        for runner in services.store.live():
            core.finish(core.remove_runner(services, runner.name, force=True), clock=services.clock)
    assert str(base / "ours" / "_work" / "widgets" / "widgets") in said
    assert "ours" in said
    assert "other" not in said
    assert "BREACH" not in said


def test_no_job_speaks_to_what_listens_in_the_managers_home(
    landlock: None, host: Host, services: Services, sandbox: Sandbox, home: Path
) -> None:
    """An agent with keys, or the user's own systemd below /run/user: Landlock does not ask when a socket is used."""
    confined = Isolated(host=host, services=services, sandbox=sandbox)
    confined.runner("ours")
    path = home / "agent"
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind(str(path))
        listening.listen()
        connect = "import socket; socket.socket(socket.AF_UNIX).connect(P)"
        said = confined.run("ours", tries([path, host.state_dir / "events.sock"], [connect])).splitlines()
    assert "tried" in said
    assert [line for line in said if line.startswith("BREACH")] == []


def test_our_own_files_are_not_to_be_allowed(host: Host) -> None:
    state = str(host.state_dir / "runners")
    with closing(host.services(RUNNERCTL_LANDLOCK_ALLOW=state)) as services, pytest.raises(ConfigInvalid, match=r"own"):
        services.check_fitting()


@pytest.mark.parametrize("text", ["home", "/", "/a/../b", "~/.cargo", "/a,b:rw"])
def test_what_names_no_path_is_not_allowed(host: Host, text: str) -> None:
    with pytest.raises(ConfigInvalid, match="landlock_allow"):
        host.settings(RUNNERCTL_LANDLOCK_ALLOW=text)


def test_a_variable_that_leads_jobs_into_the_closed_home_is_told(landlock: None, host: Host, home: Path) -> None:
    host.write_env_file(RUNNERCTL_JOB_ENV=json.dumps({"RUNNER_TOOL_CACHE": f"{home}/.cache"}))
    told = host.cli("doctor", "--offline", HOME=str(home))
    assert f"RUNNER_TOOL_CACHE names '{home}/.cache', which jobs cannot use" in told.stdout + told.stderr
    host.write_env_file(
        RUNNERCTL_JOB_ENV=json.dumps({"RUNNER_TOOL_CACHE": f"{home}/.cache"}),
        RUNNERCTL_LANDLOCK_ALLOW=f"{home}/.cache:rw",
    )
    told = host.cli("doctor", "--offline", HOME=str(home))
    assert "which jobs cannot use" not in told.stdout + told.stderr


# --- Where it cannot be had


def test_what_jobs_cannot_be_kept_from_is_said_everywhere(landlock: None, as_root: None, host: Host) -> None:
    """As in a container: root, and not the right to mount."""
    argv = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-m", "runnerctl"]
    host.write_env_file()

    def run(*words: str) -> str:
        done = subprocess.run(
            [*argv, *words], env=host.environment(), cwd="/", capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    unkept = "Jobs can change the modes of runnerctl's files"
    assert unkept in run("create", "ours", "--repo", "acme/widgets", "--output", "json")
    assert unkept in run("status", "ours")
    assert unkept in run("doctor", "--offline")
    assert unkept in run("config", "validate")
    assert unkept in run("logs", "ours")
    assert unkept in host.cli("status", "ours").stdout
    assert unkept not in host.cli("doctor", "--offline").stdout


def test_without_landlock_it_is_said_that_our_code_can_be_changed(host: Host) -> None:
    host.write_env_file(RUNNERCTL_LANDLOCK="false")
    host.cli("create", "ours", "--repo", "acme/widgets")
    assert "runnerctl's own code too" in host.cli("status", "ours").stdout
    assert host.cli("doctor", "--offline").stdout.count("runnerctl's own code too") == 1


# --- At the server's socket

_ASKS = {
    "as it is": "{ask} '' ''",
    "as a member of the group": "{ask} 65534 {gid}",
    "as a daemon without a mark": "(env -i setsid setsid {ask} '' '' > said 2>&1 &); "
    "while ! grep -sq . said; do sleep 0.05; done; cat said",
}


@pytest.mark.usefixtures("landlock")
def test_a_job_of_root_is_no_operator_at_the_servers_socket(
    as_root: None, host: Host, sandbox: Sandbox, serve: Callable[..., Server], socket_path: Path
) -> None:
    gid = grp.getgrnam(GROUP).gr_gid
    host.write_env_file(GITHUB_WFA_RUNNER_SERVER__BIND=f"unix:{socket_path}", RUNNERCTL_SOCKET_GROUP=GROUP)
    serve()
    assert ask_at(socket_path).startswith("200 ")
    with closing(Services.open(settings.load(environ={}, env_file=str(host.env_file)))) as services:
        confined = Isolated(host=host, services=services, sandbox=sandbox)
        confined.runner("ours")
        ask = f"{sys.executable} -ISB -c {shlex.quote(ASK)} {socket_path}"
        script = "\n".join(f"echo '== {name}'; {each.format(ask=ask, gid=gid)}" for name, each in _ASKS.items())
        said = confined.run("ours", script).splitlines()
    answers = {line: said[number + 1] for number, line in enumerate(said) if line.startswith("== ")}
    assert {name: line[:4] for name, line in answers.items()} == {f"== {name}": "401 " for name in _ASKS}


@pytest.mark.parametrize(("name", "value"), [("RUN_AS_GROUPS", GROUP), ("RUN_AS", GROUP)])
def test_a_group_that_jobs_are_members_of_is_none_of_operators(
    as_root: None, host: Host, name: str, value: str
) -> None:
    given = {"RUNNERCTL_RUN_AS": "60001", f"RUNNERCTL_{name}": value, "RUNNERCTL_SOCKET_GROUP": GROUP}
    ran = host.cli("config", "validate", **given)
    assert (ran.returncode, "each would be an operator" in ran.stdout + ran.stderr) == (2, True)


def test_modes_that_were_opened_all_the_same_are_put_back_and_said(host: Host, serve: Callable[..., Server]) -> None:
    """Where there is neither Landlock nor a mount namespace, or a file was put in another's place."""
    host.top.chmod(0o755)
    server = serve(RUNNERCTL_LANDLOCK="false")
    paths = [host.env_file, host.state_dir, host.state_dir / "runnerctl.db", host.top]
    before = modes(paths)

    def opened_and_told() -> bool:
        for path in paths:
            path.chmod(0o777)
        until(lambda: modes(paths) == before, seconds=60)
        return all(f"the mode of '{path}' was changed" in server.log.read_text() for path in paths)

    assert until(opened_and_told, seconds=90)


# --- An ordinary user

_ENTER = """
import os, sys
sys.path.insert(0, {supervisor!r})
import confinement
left = confinement.Confinement(
    hidden={hidden!r}, home={home!r}, shared={shared!r}, closed=[], code=[], allowed=[], links=[]
).enter()
print("left", left)
"""


def test_an_ordinary_users_job_changes_neither_what_is_ours_nor_what_leads_there(landlock: None, as_root: None) -> None:
    """The directory above the env file, too: with 777 somebody else puts another env file there."""
    top = Path(tempfile.mkdtemp(prefix="runnerctl-test-", dir="/var/lib"))
    try:
        ours, work = top / "ours", top / "runners" / "r"
        for path in (ours / "state", work / "bin", top / "packages"):
            path.mkdir(parents=True)
        (ours / "runnerctl.env").write_text("secret")
        for path in [*top.rglob("*"), top]:
            os.chown(path, 65534, 65534)
        hidden = [str(ours / "state"), str(ours / "runnerctl.env"), str(top / "runners")]
        script = _ENTER.format(
            supervisor=str(PACKAGE / "supervisor"), hidden=hidden, home=str(work), shared=str(top / "packages")
        )
        paths = [ours / "state", ours / "runnerctl.env", ours, top, top / "runners", work / "bin"]
        before = modes(paths)
        kept = [line for line in OPENS_TO_OTHERS.values() if "link(" not in line]
        argv = [str(python_for_all()), "-ISB", "-c", script + _tried(paths, kept) + _tried([work], kept[:1])]
        done = subprocess.run(
            argv, user=65534, group=65534, extra_groups=(), cwd=work, capture_output=True, text=True, check=False
        )
        said = done.stdout.splitlines()
        if "left None" not in said:
            pytest.skip(f"no user namespaces here: {said} {done.stderr}")
        assert [line for line in said if line.startswith("BREACH")] == [f"BREACH {work} {kept[0]}"]
        assert modes(paths) == before
    finally:
        shutil.rmtree(top)


_ASK_SSH = """
import subprocess, sys
sys.path.insert(0, sys.argv[1])
import mounts, ssh_files
mounts.separate()
ask = ["ssh", "-G", "x.example"]
refused = subprocess.run(ask, capture_output=True, text=True, stdin=subprocess.DEVNULL)
ssh_files.make_own()
heard = subprocess.run(ask, capture_output=True, text=True, stdin=subprocess.DEVNULL)
print(refused.returncode, "Bad owner" in refused.stderr, heard.returncode, "port 2222" in heard.stdout.splitlines())
"""


def test_an_ordinary_users_job_speaks_ssh_where_roots_files_look_like_nobodys(as_root: None) -> None:
    """Its configuration includes files of root's on most distributions; ``git clone`` by SSH would end there."""
    included = Path("/etc/ssh/ssh_config.d")
    if shutil.which("ssh") is None or not included.is_dir():
        pytest.skip("needs OpenSSH with /etc/ssh/ssh_config.d")
    user = pwd.getpwnam(GROUP)
    top = Path(tempfile.mkdtemp(prefix="runnerctl-test-", dir="/var/lib"))
    try:
        top.chmod(0o755)
        (top / "20-test.conf").write_text("Host x.example\n  Port 2222\n")
        ask = [str(python_for_all()), "-ISB", "-c", _ASK_SSH, str(PACKAGE / "supervisor")]
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", *ask]
        script = f"mount --bind {top} {included} && exec {shlex.join(as_user)}"
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"needs mount and user namespaces: {done.stderr}")
        assert done.stdout.split() == ["255", "True", "0", "True"]
    finally:
        shutil.rmtree(top)
