"""A runner package as a verified archive, for who has no account and wants no runner of it: the sandbox."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from ..domain import names
from ..domain.clock import Clock
from ..github import public_releases
from ..github.config import GitHubSettings
from ..packages import download as downloads
from ..packages import releases
from ..services import USER_AGENT
from ..settings.load import Settings

Progress = Callable[[int, int | None], None]


def download(
    version: str,
    directory: Path,
    *,
    settings: Settings,
    clock: Clock,
    rng: random.Random,
    progress: Progress | None = None,
) -> tuple[str, Path]:
    """The version, and its archive for this machine, in ``directory``; ``latest`` is the newest public release.

    No credentials are asked for or sent. Raises ``InvalidRequest``, ``PackageInvalid`` for a version that does not
    exist or cannot be verified, and what a download raises.
    """
    wanted = names.runner_version(version)
    api_url, server_url = settings.github_urls
    asked = GitHubSettings(
        api_url=api_url, server_url=server_url, user_agent=USER_AGENT, token_file=directory / "no-tokens"
    )
    found = public_releases.release(wanted, asked, clock=clock, rng=rng)
    release = releases.resolve(
        wanted if found is None else found.version,
        downloads=lambda: (),
        release=lambda _: found,
        cache=directory / "releases.json",
        key=f"{api_url} public",
        clock=clock,
    )
    archive = directory / release.filename
    downloads.download(release, archive, clock=clock, progress=progress)
    return release.version, archive
