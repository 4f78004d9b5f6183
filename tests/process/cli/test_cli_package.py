"""Packages as an operator sees them: listed, fetched, pruned, verified; and what is said about old ones."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from runnerctl.core.backends import directory
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import GitHubUnavailable
from runnerctl.core.domain.models import Scope
from runnerctl.core.engine.github_side import packages
from runnerctl.core.host.locks import file_lock
from runnerctl.core.housekeeping import packaging
from runnerctl.core.packages import version_policy
from runnerctl.core.packages.releases import platform_of_machine
from runnerctl.core.packages.store import Package
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.front_ends.cli_running import cli
from tests.support.hosts.host import Host, create, remove

DAY = 86400.0
REPO = Scope.of(repo="acme/widgets")


@pytest.fixture
def host(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host with a package store of its own, whose settings are this process's environment."""
    made = Host.make(
        tmp_path, package_dir=tmp_path / "packages", github=sandbox.environment(), token=secrets.token_hex(8)
    )
    monkeypatch.chdir(tmp_path)
    for name, value in made.variables().items():
        monkeypatch.setenv(name, value)
    yield made
    made.kill_everything()


def given_packages(sandbox: Sandbox, services: Services, archive: Path, *versions: str) -> list[Package]:
    """One archive serves all: what is in a package does not matter here."""
    for version in versions:
        sandbox.add_release(version, archive)
    return [packaging.fetch(services, version) for version in versions]


def given_age(services: Services, package: Package, days: float) -> None:
    then = services.clock.now() - days * DAY
    os.utime(package.path.parent / f".{package.path.name}.manifest.json", (then, then))


def versions(services: Services) -> list[str]:
    return [package.version for package in services.packages.list()]


def partial(host: Host) -> list[str]:
    return sorted(path.name for path in (host.package_dir / ".partial").iterdir())


# --- list and fetch ---


def test_an_empty_store_is_an_empty_document_and_talk(services: Services) -> None:
    assert cli("package", "list", "-o", "json").document == {"items": []}
    ran = cli("package", "list")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "There are no packages\n")


@pytest.mark.parametrize(
    ("options", "asked"),
    [((), "/repos/actions/runner/releases/latest"), (("--repo", "acme/widgets"), "/actions/runners/downloads")],
)
def test_a_fetched_package_is_told_and_listed(
    services: Services, host: Host, sandbox: Sandbox, options: tuple[str, ...], asked: str
) -> None:
    platform = platform_of_machine()
    ran = cli("package", "fetch", *options, "-o", "json")
    assert ran.status == 0
    assert any(call.path.endswith(asked) for call in sandbox.calls)
    (item,) = cli("package", "list", "-o", "json").document["items"]
    assert {**item, "age": 0} == {**ran.document, "age": 0}
    assert item["name"] == f"2.336.0-{platform}"
    assert item["path"] == str(host.package_dir / f"2.336.0-{platform}")
    assert item["size"] > 50_000
    assert item["runners"] == 0
    assert 0 <= item["age"] < 60
    (row,) = cli("package", "list").rows
    assert (row["VERSION"], row["PLATFORM"], row["RUNNERS"], row["PATH"]) == ("2.336.0", platform, "0", item["path"])


def test_a_version_that_is_here_is_fetched_without_asking_anybody(services: Services, sandbox: Sandbox) -> None:
    cli("package", "fetch")
    before = len(sandbox.calls)
    assert cli("package", "fetch", "2.336.0", "-o", "name").stdout.startswith("2.336.0-")
    assert len(sandbox.calls) == before


def test_a_create_after_a_fetch_downloads_nothing(services: Services, host: Host) -> None:
    cli("package", "fetch", "--repo", "acme/widgets")
    inode = (host.package_dir / f"2.336.0-{platform_of_machine()}").stat().st_ino
    create(services, host.spec("ready"))
    assert (host.package_dir / f"2.336.0-{platform_of_machine()}").stat().st_ino == inode
    (item,) = cli("package", "list", "-o", "json").document["items"]
    assert item["runners"] == 1


def test_a_version_that_never_was_is_said(services: Services) -> None:
    ran = cli("package", "fetch", "2.1.0", "-o", "json")
    assert (ran.status, ran.error["code"]) == (8, "package_invalid")
    assert "2.1.0" in ran.error["message"]


def test_repository_and_organization_exclude_each_other(services: Services) -> None:
    ran = cli("package", "fetch", "--repo", "a/b", "--org", "c", "-o", "json")
    assert (ran.status, ran.error["code"]) == (2, "invalid_request")


def test_an_interrupted_fetch_goes_on(services: Services, host: Host, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match="sandbox/downloads", cut_after=1000))
    ran = cli("package", "fetch", "-o", "json")
    assert (ran.status, ran.error["code"]) == (9, "github_unavailable")
    (part,) = partial(host)
    assert (host.package_dir / ".partial" / part).stat().st_size == 1000
    assert cli("package", "fetch").status == 0
    assert partial(host) == []
    assert cli("package", "verify").status == 0


# --- prune ---


def test_prune_takes_what_nobody_uses_and_keeps_the_newest(
    services: Services, host: Host, sandbox: Sandbox, archive: Path
) -> None:
    given_packages(sandbox, services, archive, "2.331.0", "2.332.0", "2.333.0", "2.334.0", "2.335.0")
    services.store.admit(host.spec("lives", version="2.331.0"), root=services.root("lives"))
    left = host.base_dir / "left"  # a directory that no row knows any more
    left.mkdir(parents=True)
    (left / "externals").symlink_to(host.package_dir / f"2.332.0-{platform_of_machine()}" / "externals")
    would = cli("package", "prune", "--keep", "2", "--dry-run", "-o", "json").document["items"]
    assert [item["version"] for item in would] == ["2.333.0"]
    assert len(versions(services)) == 5
    ran = cli("package", "prune", "--keep", "2")
    assert [row["VERSION"] for row in ran.rows] == ["2.333.0"]
    assert "Removed 1 package (" in ran.stderr
    assert versions(services) == ["2.331.0", "2.332.0", "2.334.0", "2.335.0"]
    assert partial(host) == []
    assert cli("package", "prune", "--keep", "2", "-o", "json").document == {"items": []}


def test_a_pruned_version_can_be_fetched_again(services: Services, host: Host, sandbox: Sandbox, archive: Path) -> None:
    given_packages(sandbox, services, archive, "2.335.0")
    assert cli("package", "prune", "--keep", "0", "-o", "name").stdout == f"2.335.0-{platform_of_machine()}\n"
    assert list(host.package_dir.glob(".*.json")) == []
    assert cli("package", "fetch", "2.335.0").status == 0
    assert cli("package", "verify").status == 0


def test_prune_cleans_up_after_interrupted_downloads_but_not_under_one(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    sandbox.add_fault(Fault(match="sandbox/downloads", cut_after=1000))
    with pytest.raises(GitHubUnavailable):
        packaging.fetch(services, "latest")
    crashed = host.package_dir / ".partial" / f"2.300.0-{platform_of_machine()}.abc" / "tree"
    crashed.mkdir(parents=True)
    with file_lock(host.package_dir / ".locks" / f"2.336.0-{platform_of_machine()}.lock", wait=0):
        assert len(packaging.prune(services, dry_run=True).leftovers) == 1
        assert len(packaging.prune(services).leftovers) == 1
        assert len(partial(host)) == 1
    assert len(packaging.prune(services).leftovers) == 1
    assert partial(host) == []


def test_a_manifest_goes_only_if_its_package_has_gone(services: Services, host: Host) -> None:
    packaging.fetch(services, "latest")
    crashed = host.package_dir / f".2.300.0-{platform_of_machine()}.manifest.json"
    crashed.write_text("{}")
    assert packaging.prune(services).leftovers == [crashed]
    assert not crashed.exists()
    assert cli("package", "verify").status == 0


def test_a_package_that_is_linked_while_it_is_removed_stays(services: Services, host: Host) -> None:
    package = packaging.fetch(services, "latest")
    before = services.packages.inode(package)
    looks: list[bool] = []

    def used() -> bool:
        looks.append(package.path.exists())
        return len(looks) == 2

    assert not services.packages.remove(package, used=used)
    assert looks == [True, False]  # asked again when nobody could find the package any more
    assert services.packages.inode(package) == before
    assert services.packages.changed(package, contents=True) == []
    assert partial(host) == []


def build(services: Services, package: Package) -> directory.Root:
    services.settings.base_dir.mkdir(exist_ok=True)
    return directory.build(
        services.settings.base_dir,
        runner_id="row",
        name="one",
        package=package,
        log_link=Path("log"),
        pid_link=Path("pid"),
    )


@pytest.mark.parametrize("version", ["latest", "2.336.0"])
def test_a_package_is_not_pruned_while_it_is_linked(services: Services, version: str) -> None:
    with packages.fetched(services, REPO, version) as package:
        assert not services.packages.remove(package, used=lambda: False)
        root = build(services, package)
        assert not services.packages.remove(package, used=lambda: False)
    assert_whole(root.path, package)
    assert services.packages.remove(package, used=lambda: False)


def test_two_may_link_one_package_at_once(services: Services) -> None:
    with packages.fetched(services, REPO, "latest") as outer, packages.fetched(services, REPO, "latest") as inner:
        assert outer == inner


def assert_whole(root: Path, package: Package) -> None:
    ours, theirs = (
        {path.relative_to(top): path.read_bytes() for path in top.rglob("*") if path.is_file()}
        for top in ((root / "bin").resolve(), package.path / "bin")
    )
    assert ours == theirs


def test_creates_and_prunes_at_once_leave_no_runner_half_linked(services: Services, host: Host) -> None:
    over = Event()

    def prune() -> None:
        while not over.is_set():
            packaging.prune(services, keep=0)

    names = [f"r{number}" for number in range(9)]
    with ThreadPoolExecutor(4) as pool:
        pruning = pool.submit(prune)
        try:
            list(pool.map(lambda name: create(services, host.spec(name)), names))
        finally:
            over.set()
        pruning.result(timeout=20)
    assert sorted(runner.name for runner in services.store.live()) == names == host.roots()
    (package,) = services.packages.list()
    for name in names:
        assert_whole(host.base_dir / name, package)
    assert packaging.prune(services, keep=0).packages == []


# --- verify ---


def test_verify_names_the_first_files_that_changed(services: Services, host: Host) -> None:
    package = packaging.fetch(services, "latest")
    assert cli("package", "verify", "-o", "json").document["items"] == [
        {
            "name": package.path.name,
            "version": "2.336.0",
            "platform": package.platform,
            "path": str(package.path),
            "status": "ok",
        }
    ]
    file = package.path / "run.sh"
    found = file.stat()
    file.chmod(0o755)
    file.write_bytes(file.read_bytes().swapcase())
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    ran = cli("package", "verify", "2.336.0", "-o", "json")
    assert (ran.status, ran.error["code"]) == (8, "package_invalid")
    assert f"{package.path.name} (run.sh)" in ran.error["message"]
    for name in ("a", "b", "c", "d"):
        (package.path / name).touch()
    assert "(a, b, c and 2 more)" in cli("package", "verify", "-o", "json").error["message"]


def test_a_version_that_is_not_here_cannot_be_verified(services: Services) -> None:
    ran = cli("package", "verify", "2.336.0", "-o", "json")
    assert (ran.status, ran.error["code"]) == (2, "invalid_request")


# --- Versions that GitHub will not serve for long ---


@pytest.mark.parametrize(
    ("version", "offered", "days", "says"),
    [
        ("2.328.9", None, 0, "is older than 2.329.0"),
        ("2.329.0", None, 400, None),
        ("2.335.0", "2.336.0", 15.9, None),
        ("2.335.0", "2.336.0", 16, "was unpacked 16 days ago and GitHub offers 2.336.0"),
        ("2.335.0", "2.336.0", 26.5, "was unpacked 26 days ago and GitHub offers 2.336.0"),
        ("2.335.0", "2.336.0", 40, "was unpacked 40 days ago and GitHub offers 2.336.0"),
        ("2.336.0", "2.336.0", 400, None),
        ("2.1000.0", "2.336.0", 400, None),
    ],
)
def test_an_old_version_is_doubted_before_github_refuses_it(
    version: str, offered: str | None, days: float, says: str | None
) -> None:
    now = 1e9
    end = version_policy.end_of(version, told=None, unpacked_at=now - days * DAY, offered=offered)
    doubt = version_policy.doubt(end, now)
    assert doubt is None if says is None else says in str(doubt)


def warnings_of_create(name: str, version: str) -> str:
    ran = cli("create", name, "--repo", "acme/widgets", "--runner-version", version)
    assert ran.status == 0
    return ran.stderr


def test_create_and_list_warn_of_a_package_that_gets_too_old(
    services: Services, host: Host, sandbox: Sandbox, archive: Path
) -> None:
    (old,) = given_packages(sandbox, services, archive, "2.335.0")
    sandbox.add_release("2.336.0", archive)
    create(services, host.spec("latest"))  # hears what GitHub offers
    assert "Warning" not in warnings_of_create("fresh", "2.335.0")
    given_age(services, old, days=26)
    said = warnings_of_create("aged", "2.335.0")
    assert "Warning: Runner 2.335.0 was unpacked 26 days ago and GitHub offers 2.336.0" in said
    assert "Warning: Runner 2.335.0 was unpacked 26 days ago" in cli("package", "list").stderr
    assert cli("package", "list", "--quiet").stderr == ""
    for name in ("fresh", "aged"):
        remove(services, name)
    assert "Warning" not in cli("package", "list").stderr


def test_create_warns_of_a_version_below_githubs_minimum(services: Services, sandbox: Sandbox, archive: Path) -> None:
    sandbox.add_release("2.328.0", archive)
    assert "is older than 2.329.0, the oldest that GitHub lets register" in warnings_of_create("ancient", "2.328.0")


def test_when_it_was_unpacked_is_told_by_the_clock(host: Host) -> None:
    class HeldClock(SystemClock):
        def now(self) -> float:
            return 1_000_000.0

    opened = Services.open(host.settings())
    held = Services(settings=opened.settings, clock=HeldClock())
    package = packaging.fetch(held, "latest")
    assert held.packages.unpacked_at(package) == 1_000_000.0
    held.close()
