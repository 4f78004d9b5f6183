"""Secrets of every form, made up, each with fragments by which it is found wherever it went."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable
from typing import NamedTuple

from runnerctl.core.access import tokens

_ALPHANUMERIC = string.ascii_letters + string.digits
_BASE32 = string.ascii_uppercase + "234567"
_MARKS = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----")


class Secret(NamedTuple):
    text: str
    fragments: tuple[str, ...]
    """None of them may be anywhere."""

    @property
    def line(self) -> str:
        """For places that hold one line."""
        return " ".join(self.text.split("\n"))


Form = Callable[[random.Random], Secret]


def _some(rng: random.Random, count: int, alphabet: str = _ALPHANUMERIC) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _prefixed(prefix: str, length: int) -> Form:
    def make(rng: random.Random) -> Secret:
        body = _some(rng, length)
        return Secret(prefix + body, (body[4:24],))

    return make


def _after(scheme: str, length: int = 24) -> Form:
    """What is known by the word before it."""

    def make(rng: random.Random) -> Secret:
        body = _some(rng, length - 2) + "7A"
        return Secret(f"{scheme} {body}", (body,))

    return make


def _rctl(rng: random.Random) -> Secret:
    token = tokens.make(rng)
    return Secret(token, (token[9:29],))


def _jwt(rng: random.Random) -> Secret:
    payload, signature = _encoded({"sub": _some(rng, 30)}), _some(rng, 43)
    return Secret(f"{_encoded({'alg': 'RS256'})}.{payload}.{signature}", (payload[12:36], signature[:20]))


def _installation(rng: random.Random) -> Secret:
    """As GitHub's are since 2026: the App's id and a JWT, some 520 characters."""
    payload, signature = _encoded({"iss": _some(rng, 62), "exp": _some(rng, 16)}), _some(rng, 342)
    text = f"ghs_1234567_{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{payload}.{signature}"
    assert len(text) >= 500
    return Secret(text, (payload[12:36], signature[:20], signature[160:180], signature[-20:]))


def _encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def _key_lines(rng: random.Random) -> list[str]:
    body = "MIIEpAIBAAKCAQEA" + _some(rng, 64 * 3 - 16) + _some(rng, 30) + "=="
    return [body[start : start + 64] for start in range(0, len(body), 64)]


def _pem(rng: random.Random) -> Secret:
    lines = _key_lines(rng)
    return Secret("\n".join([_MARKS[0], *lines, _MARKS[1]]), tuple(line[4:28] for line in lines))


def _escaped_pem(rng: random.Random) -> Secret:
    secret = _pem(rng)
    return secret._replace(text=secret.text.replace("\n", "\\n"))


def _headless_key(rng: random.Random) -> Secret:
    body = "".join(_key_lines(rng))
    return Secret(body, (body[20:44], body[-30:-6]))


def _base64_pem(rng: random.Random) -> Secret:
    text = base64.b64encode(_pem(rng).text.encode()).decode()
    return Secret(text, (text[60:84], text[-60:-36]))


def _jit(rng: random.Random) -> Secret:
    files = {".runner": _some(rng, 90), ".credentials": _some(rng, 60), ".credentials_rsaparams": _some(rng, 80)}
    text = base64.b64encode(json.dumps(files).encode()).decode()
    return Secret(text, (text[20:44], text[-60:-36]))


def _registration(rng: random.Random) -> Secret:
    text = "A" + _some(rng, 14, _BASE32) + "7" + _some(rng, 13, _BASE32)
    return Secret(text, (text[4:26],))


def _address(rng: random.Random) -> Secret:
    user, password = _some(rng, 20), _some(rng, 24)
    return Secret(f"https://{user}:{password}@git.example/o/r", (user, password))


FORMS: dict[str, Form] = {
    **{prefix: _prefixed(prefix, 36) for prefix in ("ghs_", "ghp_", "gho_", "ghu_", "ghr_")},
    "installation token": _installation,
    "github_pat_": _prefixed("github_pat_", 82),
    "rctl_": _rctl,
    "JWT": _jwt,
    "private key": _pem,
    "private key, escaped": _escaped_pem,
    "private key without its marks": _headless_key,
    "private key in base64": _base64_pem,
    "JIT configuration": _jit,
    "registration token": _registration,
    "Bearer": _after("Bearer"),
    "RemoteAuth": _after("RemoteAuth"),
    "Basic": _after("Basic"),
    "Authorization header": _after("authorization: token"),
    "password in an address": _address,
}


def secret(form: str, place: str) -> Secret:
    """Always the same for that form and place, and another for any other."""
    return FORMS[form](random.Random(f"{form} at {place}"))
