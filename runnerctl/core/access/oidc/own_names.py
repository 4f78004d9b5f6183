"""Which names of runners are a repository's own, where a rule says nothing else: ``REPO-SUFFIX``, and no two
repositories of a rule have a name in common.

``web-*`` alone would hold ``web-api-1``, which is a name of repository ``web-api``. So what stands before a name's
last ``-`` is the repository that has it. Where a rule fits repositories of several owners, which may have one name,
that is ``OWNER--REPO-SUFFIX``: no owner at GitHub has ``--`` in its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from .claims import Claim, owner_of

_WILD = frozenset("*?[")
_NAME_ONE: tuple[Claim, ...] = ("repository_owner", "repository_owner_id", "repository_id")
Match = Mapping[Claim, str | list[str]]
"""Of a rule: patterns by claim."""


def texts(wanted: str | list[str]) -> list[str]:
    return [wanted] if isinstance(wanted, str) else wanted


def prefix(match: Match, repository: str) -> str:
    """What the names of that repository, or of those that fit such a pattern, have before their last ``-``."""
    owner, _, repo = repository.partition("/")
    return repo if _has_one_owner(match) and "--" not in repo else f"{owner}--{repo}"


def of(name: str) -> str:
    """The prefix of the one repository whose own name it is."""
    return name.rpartition("-")[0].lower()


def may_be_of(match: Match, prefix_: str) -> bool:
    """Whether that is the prefix of a repository that fits the rule; which there are, nobody knows."""
    owner, joined, repo = prefix_.partition("--")
    if _has_one_owner(match) and not joined:
        return any(fnmatchcase(prefix_, pattern.partition("/")[2]) for pattern in _repositories(match))
    fitting = (pattern.partition("/") for pattern in _repositories(match))
    return bool(joined) and any(
        fnmatchcase(owner, of_owner) and fnmatchcase(repo, of_repo) for of_owner, _, of_repo in fitting
    )


def _repositories(match: Match) -> Iterable[str]:
    return (pattern.lower() for pattern in texts(match.get("repository", "*/*")))


def _has_one_owner(match: Match) -> bool:
    """Any claim that says so will do, for all of a rule's claims must fit."""
    by_claim: dict[str, list[str | None]] = {
        "repository": [_plain(pattern.partition("/")[0]) for pattern in _repositories(match)],
        **{name: [_plain(text.lower()) for text in texts(match.get(name, []))] for name in _NAME_ONE},
        "sub": [owner_of(text) for text in texts(match.get("sub", []))],
    }
    return any(len(set(owners)) == 1 and None not in owners for owners in by_claim.values())


def _plain(pattern: str) -> str | None:
    return None if _WILD & set(pattern) else pattern
