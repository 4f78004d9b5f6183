"""``runnerctl package``."""

from __future__ import annotations

from typing import Any

import click

from ..core import sizes
from ..core.lifecycle import packaging
from ..core.lifecycle.packaging import PackageFacts
from ..core.models import Scope
from ..core.packages import Package
from ..core.services import Services
from . import render, runners
from .auditing import concerning
from .options import ORGANIZATION, PACKAGE, REPOSITORY, Front, Verb, pass_front


@click.group("package", no_args_is_help=False, short_help="List, fetch, prune and verify runner packages")
def command() -> None:
    """List, fetch, prune and verify the runner packages of this host.

    A package is one version of actions/runner. Each is unpacked once and shared by all runners that use it. `create`
    fetches what it needs by itself; use these commands to fetch ahead of time, to free disk space, and to check
    files.
    """


@command.command(
    "list",
    cls=Verb,
    files={"PACKAGE_DIR/": "The unpacked packages; by default BASE_DIR/.packages."},
    see=("create", "doctor"),
    epilog="""\b
Examples:
  runnerctl package list
  runnerctl package list --output json""",
)
@pass_front
def list_(front: Front) -> None:
    """List the packages, oldest version first, with their size and how many runners use each."""
    services = front.services()
    found = packaging.describe(services)
    if not found:
        render.talk(front, "There are no packages")
    _show(front, services, found)
    for facts in found:
        if facts.runners:
            warn_of(front, services, facts.package.version)


@command.command(
    "fetch",
    cls=Verb,
    epilog="""\b
Examples:
  runnerctl package fetch
  runnerctl package fetch 2.336.0
  runnerctl package fetch --repo octo-org/octo-repo""",
)
@click.argument("version", required=False)
@click.option(
    "--repo", type=REPOSITORY, metavar="OWNER/REPO", help="Take the version that GitHub offers to this repository."
)
@click.option(
    "--org", type=ORGANIZATION, metavar="ORG", help="Take the version that GitHub offers to this organization."
)
@pass_front
def fetch(front: Front, version: str | None, repo: str | None, org: str | None) -> None:
    """Download, verify and unpack VERSION ahead of time.

    Without VERSION, take the setting defaults.version: the latest, unless you set another. An interrupted download
    continues where it stopped.
    """
    scope = Scope.of(repo=repo, org=org) if repo or org else None
    services = front.services()
    version = version or services.settings.defaults.version
    concerning(services, "package.fetch", [version])
    package = packaging.fetch(services, version, scope=scope, progress=render.download_meter(front))
    (facts,) = [facts for facts in packaging.describe(services) if facts.package == package]
    render.item(front, _document(services, facts), _row(services, facts), key="name")


@command.command(
    "prune",
    cls=Verb,
    epilog="""\b
Examples:
  runnerctl package prune --dry-run
  runnerctl package prune --keep 2""",
)
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="Keep this many of the newest versions.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@pass_front
def prune(front: Front, keep: int, dry_run: bool) -> None:
    """Remove versions that no runner uses, and leftovers of interrupted downloads. Shows what was removed."""
    services = front.services()
    if not dry_run:
        concerning(services, "package.prune", ["host"])
    done = packaging.prune(services, keep=keep, dry_run=dry_run)
    _show(front, services, done.packages)
    freed = sizes.shown(sum(facts.size or 0 for facts in done.packages))
    verb = "Would remove" if dry_run else "Removed"
    render.talk(front, f"{verb} {len(done.packages)} packages ({freed}), {len(done.leftovers)} leftovers of downloads")


@command.command(
    "verify",
    cls=Verb,
    exits={8: "a file of a package has changed"},
    epilog="""\b
Example:
  runnerctl package verify 2.336.0""",
)
@click.argument("version", required=False, type=PACKAGE)
@pass_front
def verify(front: Front, version: str | None) -> None:
    """Check that no file of a package has changed since it was unpacked.

    Compares names, inodes, sizes, times and the SHA-256 of every file. Without VERSION, check all packages. The first
    file that differs is named, and the exit status is 8.
    """
    services = front.services()
    packages = packaging.verify(services, version)
    documents = [{**_identity(package), "status": "ok"} for package in packages]
    render.items(
        front, documents, lambda: [{"NAME": package.path.name, "STATUS": "ok"} for package in packages], key="name"
    )


def warn_of(front: Front, services: Services, version: str, scope: Scope | None = None) -> None:
    """Says, if so, that GitHub will soon give that version no jobs."""
    doubt = packaging.doubt(services, version, scope=scope)
    if doubt is not None:
        render.warn(front, doubt)


def _show(front: Front, services: Services, found: Any) -> None:
    documents = [_document(services, facts) for facts in found]
    render.items(front, documents, lambda: [_row(services, facts) for facts in found], key="name")


def _identity(package: Package) -> dict[str, Any]:
    return {
        "name": package.path.name,
        "version": package.version,
        "platform": package.platform,
        "path": str(package.path),
    }


def _document(services: Services, facts: PackageFacts) -> dict[str, Any]:
    return {
        **_identity(facts.package),
        "size": facts.size,
        "runners": facts.runners,
        "unpacked_at": facts.unpacked_at,
        "age": None if facts.unpacked_at is None else services.clock.now() - facts.unpacked_at,
    }


def _row(services: Services, facts: PackageFacts) -> render.Row:
    age = None if facts.unpacked_at is None else services.clock.now() - facts.unpacked_at
    return {
        "VERSION": facts.package.version,
        "PLATFORM": facts.package.platform,
        "SIZE": None if facts.size is None else sizes.shown(facts.size),
        "RUNNERS": facts.runners,
        "AGE": None if age is None else runners.age(age),
        "PATH": str(facts.package.path),
    }
