"""Secrets do not leave in text."""

from __future__ import annotations

import base64
import json

import pytest

from runnerctl.core.redact import redact

JIT = base64.b64encode(json.dumps({".runner": "x" * 300}).encode()).decode()


@pytest.mark.parametrize(
    "secret",
    [
        "ghs_" + "a" * 36,
        "ghs_12345_eyJhbGciOi.eyJpc3MiOiJ.c2lnbmF0dXJl" + "a" * 30,
        "ghp_" + "B" * 36,
        "github_pat_" + "c" * 60,
        "rctl_" + "d" * 43,
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NSJ9.c2lnbmF0dXJlLWJ5dGVz",
        JIT,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA-cut-off",
    ],
)
def test_everything_that_looks_like_a_secret_is_masked(secret: str) -> None:
    masked = redact(f"before {secret} after")
    assert secret[12:30] not in masked
    assert masked.startswith("before ***")


def test_a_bearer_is_masked_whatever_it_looks_like() -> None:
    assert redact("Authorization: Bearer hunter2 sent") == "Authorization: Bearer *** sent"


@pytest.mark.parametrize(
    "text", ["Listening for Jobs", "runner ghost_1 of eyJ", "https://github.com/o/r", "sha256:" + "a" * 64]
)
def test_other_text_stays(text: str) -> None:
    assert redact(text) == text
