"""The releases of actions/runner, and the packages that GitHub has rolled out to a scope."""

from __future__ import annotations

from typing import Any

from ..releases import PLATFORMS, Release
from ..state import GitHub
from ..times import iso
from .people import node_id, octocat
from .routes import Access, Answer, Ask, Refusal, Route, in_both_scopes

REPOSITORY = "actions/runner"


def get_latest_release(github: GitHub, ask: Ask) -> Answer:
    return _answer(github, ask, github.releases.latest())


def get_release_by_tag(github: GitHub, ask: Ask) -> Answer:
    return _answer(github, ask, github.releases.by_tag(ask.parts["tag"]))


def list_downloads(github: GitHub, _ask: Ask) -> Answer:
    release = github.releases.latest()
    if release is None:
        return Answer(body=[])
    return Answer(
        body=[
            {
                "os": os,
                "architecture": architecture,
                "download_url": _download_url(github, release, architecture),
                "filename": release.filename(architecture),
                "sha256_checksum": release.sha256,
            }
            for os, architecture in PLATFORMS
        ]
    )


def _answer(github: GitHub, ask: Ask, release: Release | None) -> Answer:
    if release is None or ask.scope.key != REPOSITORY:
        raise Refusal(404)
    return Answer(body=_release(github, release))


def _release(github: GitHub, release: Release) -> dict[str, Any]:
    tag = f"v{release.version}"
    api = f"{github.api_url}/repos/{REPOSITORY}"
    html = f"{github.server_url}/{REPOSITORY}/releases"
    return {
        "id": release.id,
        "node_id": node_id("Release", release.id),
        "url": f"{api}/releases/{release.id}",
        "html_url": f"{html}/tag/{tag}",
        "assets_url": f"{api}/releases/{release.id}/assets",
        "upload_url": f"{api}/releases/{release.id}/assets{{?name,label}}",
        "tarball_url": f"{api}/tarball/{tag}",
        "zipball_url": f"{api}/zipball/{tag}",
        "tag_name": tag,
        "target_commitish": "main",
        "name": tag,
        "draft": False,
        "prerelease": False,
        "created_at": iso(github.started_at),
        "published_at": iso(github.started_at),
        "author": octocat(github),
        "assets": [
            _asset(github, release, number, architecture) for number, (_, architecture) in enumerate(PLATFORMS, start=1)
        ],
        "body": _body(release),
    }


def _asset(github: GitHub, release: Release, number: int, architecture: str) -> dict[str, Any]:
    asset_id = release.id * 100 + number
    return {
        "id": asset_id,
        "node_id": node_id("ReleaseAsset", asset_id),
        "url": f"{github.api_url}/repos/{REPOSITORY}/releases/assets/{asset_id}",
        "browser_download_url": _download_url(github, release, architecture),
        "name": release.filename(architecture),
        "label": "",
        "state": "uploaded",
        "content_type": "application/octet-stream",
        "size": release.size,
        "digest": f"sha256:{release.sha256}",
        "download_count": 0,
        "created_at": iso(github.started_at),
        "updated_at": iso(github.started_at),
        "uploader": octocat(github),
    }


def _body(release: Release) -> str:
    """The checksums as actions/runner writes them into its release notes."""
    lines = [
        f"- {release.filename(arch)} <!-- BEGIN SHA {os}-{arch} -->{release.sha256}<!-- END SHA {os}-{arch} -->"
        for os, arch in PLATFORMS
    ]
    return "## SHA-256 Checksums\n\nThe SHA-256 checksums for the packages included in this build:\n\n" + "\n".join(
        lines
    )


def _download_url(github: GitHub, release: Release, architecture: str) -> str:
    return f"{github.server_url}/sandbox/downloads/{release.filename(architecture)}"


_DOCS = "releases/releases"

ROUTES = (
    Route(
        method="GET",
        path="/repos/{owner}/{repo}/releases/latest",
        handler=get_latest_release,
        docs=_DOCS,
        access=Access.ANYONE,
        permission="contents",
    ),
    Route(
        method="GET",
        path="/repos/{owner}/{repo}/releases/tags/{tag}",
        handler=get_release_by_tag,
        docs=_DOCS,
        access=Access.ANYONE,
        permission="contents",
    ),
    *in_both_scopes(
        Route(
            method="GET",
            path="/actions/runners/downloads",
            handler=list_downloads,
            docs="actions/self-hosted-runners",
        )
    ),
)
