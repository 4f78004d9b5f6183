"""The stand-in runner's package: run.sh, and the archive it comes in."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from runnerctl.core.packages.unpack import unpack
from runnerctl.standin.archive import build_archive
from tests.support.sandboxes.scripted_broker import ScriptedBroker, broker_error
from tests.support.sandboxes.standin import PACE, STAMP, VERSION, StandIn

pytest_plugins = ("tests.support.sandboxes.standin_fixtures",)
pytestmark = pytest.mark.timeout(30)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused")
def test_scripts_refuse_root_each_in_its_own_way(runner: StandIn) -> None:
    assert runner.configure(RUNNER_ALLOW_RUNASROOT="").returncode == 1
    path = {"PATH": os.environ["PATH"]}
    done = subprocess.run([str(runner.root / "run.sh")], capture_output=True, text=True, check=False, env=path)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "Must not run interactively with sudo")


@pytest.mark.parametrize(("asked", "code"), [("1", 7), ("", 0)])
def test_run_sh_hides_every_exit_code_but_too_old(
    runner: StandIn, broker: ScriptedBroker, asked: str, code: int
) -> None:
    broker.script["message"] = [broker_error(400, "RunnerVersionTooOld")]
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
    (tmp_path / "runner").mkdir()
    unpack(build_archive(tmp_path / "a.tar.gz", version=VERSION), tmp_path / "runner")
    runner = StandIn(tmp_path / "runner").start("run", "--jitconfig", broker.jitconfig())
    try:
        runner.line(STAMP + "Listening for Jobs")
        assert Path(f"/proc/{runner.process.pid}/comm").read_text() == "Runner.Listener\n"
    finally:
        runner.close()


def test_a_package_is_padded_to_the_size_asked_for(tmp_path: Path) -> None:
    with tarfile.open(build_archive(tmp_path / "a.tar.gz", version="2.336.0", files=300, size=5_000_000)) as archive:
        members = [member for member in archive if member.isfile()]
    assert (len(members), sum(member.size for member in members)) == (300, 5_000_000)
    assert all(member.name.startswith("./") for member in members)


def test_the_same_version_is_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build_archive(tmp_path / name, version="2.336.0").read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_package_has_a_pace_of_its_own_which_a_variable_overrules(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [
        sys.executable,
        "-ISBc",
        "import sys; sys.path.append('bin/standin.zip'); from standin.pace import PACE; print(PACE)",
    ]
    monkeypatch.delenv("STANDIN_PACE", raising=False)
    assert subprocess.check_output(told, cwd=package, text=True) == f"{PACE}\n"
    monkeypatch.setenv("STANDIN_PACE", "0.5")
    assert subprocess.check_output(told, cwd=package, text=True) == "0.5\n"
    (package / "bin/standin.pace").unlink()
    monkeypatch.delenv("STANDIN_PACE")
    assert subprocess.check_output(told, cwd=package, text=True) == "1.0\n"


@pytest.mark.parametrize(
    ("program", "others"), [("listener", ("worker", "configuring")), ("worker", ("listener", "configuring"))]
)
def test_a_program_loads_nothing_at_its_start_that_only_another_needs(
    package: Path, program: str, others: tuple[str, ...]
) -> None:
    code = f"import sys; sys.path.append('bin/standin.zip'); import standin.{program}.main; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-ISBc", code], cwd=package, text=True).split()
    assert f"standin.{program}.main" in loaded
    assert [name for name in loaded if name.startswith(tuple(f"standin.{other}" for other in others))] == []


def test_every_module_comes_compiled_in_whichever_folder_it_lies(package: Path) -> None:
    with zipfile.ZipFile(package / "bin/standin.zip") as archive:
        names = archive.namelist()
    modules = [name for name in names if name.endswith(".py")]
    assert {Path(name).parent.name for name in modules} >= {"standin", "listener", "worker", "steps"}
    assert [name for name in modules if f"{name}c" not in names] == []
    assert list((package / "bin").rglob("*.py")) == []
