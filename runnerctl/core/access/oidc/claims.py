"""What a workflow's token claims, as far as rules may ask, and the two forms of its ``sub``.

They are ``repo:OWNER/REPO:…``, and ``repo:OWNER@ID/REPO@ID:…`` for repositories that were made, renamed or transferred
after 2026-07-15. The other claims are the same in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

Claim = Literal[
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "ref",
    "environment",
    "job_workflow_ref",
    "event_name",
    "sub",
]

_FORM = re.compile(r"repo:([^/@:]+)(?:@(\d+))?/([^/@:]+)(?:@(\d+))?(:.*)?", re.DOTALL)
_OWNER = re.compile(r"repo:([A-Za-z0-9_-]+)(?:@[^/]*)?/", re.ASCII)


def subject_forms(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The subject as it was claimed, and in the other form, so that a rule fits whichever GitHub gives.

    One whose parts an organization chose itself, or that is not of the repository of the other claims, has one form.
    """
    claimed: object = claims.get("sub")
    if not isinstance(claimed, str):
        return ()
    form = _FORM.fullmatch(claimed)
    if form is None:
        return (claimed,)
    owner, owner_id, repo, repo_id, rest = form.groups(default="")
    ids = str(claims.get("repository_owner_id") or ""), str(claims.get("repository_id") or "")
    if f"{owner}/{repo}".lower() != str(claims.get("repository")).lower():
        return (claimed,)
    if owner_id or repo_id:
        return (claimed, f"repo:{owner}/{repo}{rest}") if (owner_id, repo_id) == ids else (claimed,)
    return (claimed, f"repo:{owner}@{ids[0]}/{repo}@{ids[1]}{rest}") if all(ids) else (claimed,)


def owner_of(pattern: str) -> str | None:
    """Whose subjects alone that pattern fits, in lower case; None: those of many, or nobody knows."""
    found = _OWNER.match(pattern)
    return None if found is None else found[1].lower()
