"""What strangers send is masked in time that grows with its length alone, whatever they send."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest

from runnerctl.core.redact import MASK, redact
from runnerctl.supervisor.masking import Lines

PIECES = (
    *("eyJ", "eyJ_", "eyJA", "eyI", "eyIu", "ey", "ewo", "gho_", "ghs_eyJ.", "github_pat_", "rctl_"),
    *("MII", "LS0tLS1CRUdJTi", "A2", " "),
    *("-----BEGIN", "-----BEGIN PRIVATE", "PRIVATE KEY-----", "-----END", "%20", "Bearer ", "Basic ", "Basic a"),
    *("RemoteAuth ", "authorization", "authorization:", "Authorization: bearer ", '"', ":/", "://a", "@", ":/a:"),
    *(".", "eyJaaaaaaaaaa.", "eyJaaaaaaaaaa.aaaaaaa.", "A", "\t", "=", "\n"),
)  # fmt: skip
"""What the forms of secrets begin with, hold or end with."""
ALONE = [(piece, "") for piece in PIECES]
PAIRS = list(itertools.permutations(PIECES, 2))
SHORT, LONG = 2 * 1024, 16 * 1024
MOST = 3 * LONG / SHORT
"""Were it quadratic, the long one would take 64 times as long as the short one; it takes 8 times."""
LEAST_SECONDS = 0.01
"""What takes no longer than this at full length costs nobody anything."""


def seconds(text: str) -> float:
    began = time.thread_time()
    redact(text)
    return time.thread_time() - began


def repeated(pieces: tuple[str, str], length: int) -> str:
    once = "".join(pieces)
    return (once * (length // len(once) + 1))[:length]


def led(pieces: tuple[str, str], length: int) -> str:
    """The first piece again and again, then the second."""
    return repeated((pieces[0], ""), length - len(pieces[1])) + pieces[1]


def is_linear(short: str, long: str) -> bool:
    """Measured again where something else took the processor's cache meanwhile."""
    return any(
        (taken := seconds(long)) < LEAST_SECONDS or taken < MOST * max(seconds(short), 1e-4) for _attempt in range(3)
    )


@pytest.mark.parametrize("shape", [repeated, led], ids=lambda shape: shape.__name__)
def test_eight_times_the_text_takes_no_more_than_eight_times_as_long(shape: Callable[..., str]) -> None:
    slow = [p for p in ALONE + PAIRS if not is_linear(shape(p, SHORT), shape(p, LONG))]
    assert slow == []


def test_the_runs_that_are_too_short_for_a_secret_cost_no_more() -> None:
    for run in ("ey" * 99, "MII" * 19, "eyJ" * 300, "ew" * 99 + "a"):
        assert is_linear(repeated((run, " "), SHORT), repeated((run, " "), LONG))


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NTYifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "before", ["", "eyJ", "eyJ_eyJ_", "eyJaaaaaaaaaa ", "eyJaaaaaaaaaa.aaaa ", "x", "/", "ey" * 60]
)
@pytest.mark.parametrize("secret", [JWT, f"ghs_123456_{JWT}", "ghp_" + "a1" * 18, "rctl_" + "a1" * 24])
def test_what_is_passed_over_hides_no_secret_behind_it(before: str, secret: str) -> None:
    assert secret[-12:] not in redact(before + secret)
    assert MASK in redact(before + secret)


def test_a_long_token_is_masked_as_one() -> None:
    token = "eyJ" + "a" * 400 + "." + "eyJ" + "b" * 400 + "." + "c" * 300
    assert redact(f"token {token} end") == f"token {MASK} end"
    assert redact(f"ghs_1234_{token}") == MASK


def test_lines_of_a_listener_are_no_dearer() -> None:
    assert Lines().mask("eyJ_" * 2048) == "eyJ_" * 2048
