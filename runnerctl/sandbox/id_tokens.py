"""The OIDC tokens of workflows, and the key that signs them."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from . import keys

_LIFE_SECONDS = 300
_EARLIER_SECONDS = 600
"""GitHub's tokens count from some minutes before they were made."""


class IdTokens:
    """The key that signs now; those before it are as if they had never been."""

    def __init__(self) -> None:
        self._number = 1

    @property
    def key(self) -> RSAPrivateKey:
        return keys.private_key(f"id-tokens-{self._number}")

    @property
    def key_id(self) -> str:
        return f"sandbox-{self._number}"

    def rotate(self) -> None:
        self._number += 1

    def issue(self, issuer: str, *, now: float, claims: Mapping[str, Any]) -> str:
        """A token of a push to main, unless ``claims`` say otherwise; None leaves a claim out.

        ``immutable_sub`` is none of them: true, ``sub`` names owner and repository with their ids, as GitHub's does for
        repositories that were made, renamed or transferred after 2026-07-15.
        """
        usual = _usual(issuer, int(now), claims)
        if claims.get("immutable_sub"):
            usual["sub"] = _immutable({**usual, **claims})
        told = {**usual, **claims, "immutable_sub": None}
        kept = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(kept, self.key, algorithm="RS256", headers={"kid": self.key_id})

    def public_keys(self) -> dict[str, Any]:
        """As a JWK set."""
        numbers = self.key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.key_id}
        return {"keys": [{**key, "n": _base64url(numbers.n), "e": _base64url(numbers.e)}]}


def _usual(issuer: str, now: int, claims: Mapping[str, Any]) -> dict[str, Any]:
    repository = str(claims.get("repository") or "octo-org/octo-repo")
    owner = repository.partition("/")[0]
    ref, environment = claims.get("ref") or "refs/heads/main", claims.get("environment")
    workflow = f"{repository}/.github/workflows/ci.yml@{ref}"
    return {
        "iss": issuer,
        "aud": f"{issuer}/{owner}",
        "sub": f"repo:{repository}:environment:{environment}" if environment else f"repo:{repository}:ref:{ref}",
        "jti": str(uuid.uuid4()),
        "iat": now,
        "nbf": now - _EARLIER_SECONDS,
        "exp": now + _LIFE_SECONDS,
        "repository": repository,
        "repository_id": "74",
        "repository_owner": owner,
        "repository_owner_id": "65",
        "repository_visibility": "private",
        "ref": ref,
        "ref_type": "branch",
        "sha": "0" * 40,
        "event_name": "push",
        "actor": "octocat",
        "actor_id": "12",
        "workflow": "CI",
        "workflow_ref": workflow,
        "job_workflow_ref": workflow,
        "run_id": "1",
        "run_number": "1",
        "run_attempt": "1",
        "runner_environment": "github-hosted",
    }


def _immutable(claims: Mapping[str, Any]) -> str:
    owner, _, repo = str(claims["repository"]).partition("/")
    rest = str(claims["sub"]).removeprefix(f"repo:{owner}/{repo}")
    return f"repo:{owner}@{claims['repository_owner_id']}/{repo}@{claims['repository_id']}{rest}"


def _base64url(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
