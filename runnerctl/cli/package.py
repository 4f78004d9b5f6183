"""``runnerctl package``."""

from __future__ import annotations

from typing import Any

import click

from runnerctl.core import Package, PackageFacts, Services, packaging
from runnerctl.core.domain import sizes
from runnerctl.core.domain.models import Scope
from runnerctl.core.domain.phrases import counted
from runnerctl.core.domain.version_end import date, version_document

from . import render, runners
from .auditing import audited
from .options import ORGANIZATION, PACKAGE, REPOSITORY, CliContext, Verb, pass_cli


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
@pass_cli
def list_(cli: CliContext) -> None:
    """List the packages, oldest version first, with their size and how many runners use each."""
    services = cli.services_for_reading()
    found = packaging.describe(services)
    if not found:
        render.talk(cli, "There are no packages")
    _show(cli, services, found)
    for facts in found:
        if facts.runners:
            warn_of(cli, services, facts.package.version)


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
@pass_cli
def fetch(cli: CliContext, version: str | None, repo: str | None, org: str | None) -> None:
    """Download, verify and unpack VERSION ahead of time.

    Without VERSION, take the setting defaults.version: the latest, unless you set another. An interrupted download
    continues where it stopped.
    """
    scope = Scope.of(repo=repo, org=org) if repo or org else None
    services = cli.services()
    version = version or services.settings.defaults.version
    audited(services, "package.fetch", [version])
    package = packaging.fetch(services, version, scope=scope, progress=render.download_meter(cli))
    (facts,) = [facts for facts in packaging.describe(services) if facts.package == package]
    render.item(cli, _document(services, facts), _row(services, facts), key="name")


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
@pass_cli
def prune(cli: CliContext, keep: int, dry_run: bool) -> None:
    """Remove versions that no runner uses, and leftovers of interrupted downloads. Shows what was removed."""
    services = cli.services_for_reading() if dry_run else cli.services()
    if not dry_run:
        audited(services, "package.prune", ["host"])
    done = packaging.prune(services, keep=keep, dry_run=dry_run)
    _show(cli, services, done.packages)
    render.talk(cli, _pruned(done, dry_run=dry_run))


def _pruned(done: packaging.Pruning, *, dry_run: bool) -> str:
    parts = []
    if done.packages:
        freed = sizes.shown(sum(facts.size or 0 for facts in done.packages))
        parts.append(f"{counted(len(done.packages), 'package')} ({freed})")
    if done.leftovers:
        parts.append(counted(len(done.leftovers), "interrupted download"))
    if not parts:
        return "Nothing to prune"
    return f"{'Would remove' if dry_run else 'Removed'} {' and '.join(parts)}"


@command.command(
    "verify",
    cls=Verb,
    exits={8: "a file of a package has changed"},
    epilog="""\b
Example:
  runnerctl package verify 2.336.0""",
)
@click.argument("version", required=False, type=PACKAGE)
@pass_cli
def verify(cli: CliContext, version: str | None) -> None:
    """Check that no file of a package has changed since it was unpacked.

    Compares names, inodes, sizes, times and the SHA-256 of every file. Without VERSION, check all packages. The first
    file that differs is named, and the exit status is 8.
    """
    services = cli.services_for_reading()
    packages = packaging.verify(services, version)
    documents = [{**_identity(package), "status": "ok"} for package in packages]
    render.items(
        cli, documents, lambda: [{"NAME": package.path.name, "STATUS": "ok"} for package in packages], key="name"
    )


def warn_of(cli: CliContext, services: Services, version: str, scope: Scope | None = None) -> None:
    """Says, if so, that GitHub will soon give that version no jobs."""
    doubt = packaging.doubt(services, version, scope=scope)
    if doubt is not None:
        render.warn(cli, doubt)


def _show(cli: CliContext, services: Services, found: Any) -> None:
    documents = [_document(services, facts) for facts in found]
    render.items(cli, documents, lambda: [_row(services, facts) for facts in found], key="name")


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
        **version_document(facts.end, services.clock.now()),
        "age": None if facts.unpacked_at is None else services.clock.now() - facts.unpacked_at,
    }


def _row(services: Services, facts: PackageFacts) -> render.Row:
    age = None if facts.unpacked_at is None else services.clock.now() - facts.unpacked_at
    return {
        "VERSION": facts.package.version,
        "PLATFORM": facts.package.platform,
        "SIZE": None if facts.size is None else sizes.shown(facts.size),
        "RUNNERS": facts.runners,
        "JOBS UNTIL": _jobs_until(services, facts),
        "AGE": None if age is None else runners.age(age),
        "PATH": str(facts.package.path),
    }


def _jobs_until(services: Services, facts: PackageFacts) -> str | None:
    """``2026-11-05 (12d)``; how long GitHub gives jobs to its version, as far as that is known."""
    days = facts.end.days_left(services.clock.now())
    if facts.end.runtime_at is None or days is None:
        return None
    return f"{date(facts.end.runtime_at)} ({f'{days}d' if days >= 0 else 'over'})"
