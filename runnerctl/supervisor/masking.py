"""What secrets look like, and how they are taken out of text. The rest of runnerctl masks by the same forms.

``re`` is imported when a text looks as if it held one: a Listener's lines seldom do, and supervisors start often.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    import re

MASK = "***"

_LABEL = r"(?:[A-Z\ +]|%20)*PRIVATE(?:[\ +]|%20)KEY-----"
_BEGINNINGS = "(?=[-:aegrA-Z2-7])"
"""Of all forms: a look at one character saves most texts two thirds of their time."""
_FORMS = rf"""{_BEGINNINGS} (?:
      gh[oprsu]_[A-Za-z0-9._-]{{20,}}                                 # GitHub tokens; those of installations hold dots
    | github_pat_[A-Za-z0-9_]{{20,}}
    | rctl_[A-Za-z0-9_-]{{20,}}
    | eyIu[A-Za-z0-9+/_-]{{16,}}={{0,2}}                                # JIT configurations: base64 of {{".runner": …
    | -----BEGIN{_LABEL}.*?(?:-----END{_LABEL}|\Z)                      # private keys: with line breaks, \n or %0A
    | LS0tLS1CRUdJTi[A-Za-z0-9+/]{{8,}}={{0,2}}                         # … base64 of those
    | MII[A-Za-z0-9+/]{{60,}}={{0,2}}                                   # … without their marks
    | (?<![A-Za-z0-9])(?=[A-Z]*[2-7])[A-Z2-7]{{29}}(?![A-Za-z0-9])      # registration tokens
    | (?P<kept> (?:Bearer|RemoteAuth)\ )\S+
    | (?P<scheme> Basic\ )(?=[a-z]*[A-Z0-9+/])[A-Za-z0-9+/]{{8,}}={{0,2}}
    | (?P<header> (?i:authorization)["']?\s*[:=]\s*["']?(?i:(?:bearer|basic|token|remoteauth)\s+)?)[^\s"']+
    | (?P<before> :/{{1,2}})[^\s/@"'<>,]+(?=@)                           # user and password of an address
)"""
_WEB_TOKENS = r"""
      (?P<secret> gh[oprsu]_[A-Za-z0-9._-]{20,}                       # first: one of an installation may hold the other
    | eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)?)  # JSON web tokens
    | eyJ[A-Za-z0-9_-]*+"""
_LONG_OBJECTS = r"(?P<secret>e[yw][A-Za-z0-9+/]{200,}+={0,2})|e[yw][A-Za-z0-9+/]*+"
"""Any JSON object in base64. Here and above, what has begun like one and is none is passed over as a whole: begun again
at each of its letters, it would take time by the square of its length."""
_LONG_OBJECT = 202
_KEPT = r"\g<kept>\g<scheme>\g<header>\g<before>"
_MARKS = (
    "gho_", "ghp_", "ghr_", "ghs_", "ghu_", "github_pat_", "rctl_", "eyJ", "eyI", "KEY-----", "LS0tLS1", "MII",
    "Bearer", "RemoteAuth", "Basic", "uthorization", "UTHORIZATION",
)  # fmt: skip
_LONG_TEXT, _LONG_WORD = 200, 29

_compiled: tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]] | None = None


def mask(text: str) -> str:
    """``text`` with everything that looks like a secret of ours or GitHub's masked.

    In time that grows with its length alone: strangers choose what is masked.
    """
    if not _may_hold_one(text):
        return text
    web_tokens, others, long_objects = _patterns()
    if "eyJ" in text:
        text = web_tokens.sub(_masked, text)
    text = others.sub(_KEPT + MASK, text)
    return long_objects.sub(_masked, text) if len(text) >= _LONG_OBJECT else text


def mask_lines(lines: list[str]) -> list[str]:
    """Each by itself; most of many hold nothing, and are looked at together."""
    if max(map(len, lines), default=0) < _LONG_TEXT and not _is_suspect("\n".join(lines)):
        return lines
    return [mask(line) for line in lines]


def _masked(found: re.Match[str]) -> str:
    return MASK if found["secret"] else found[0]


def _may_hold_one(text: str) -> bool:
    return len(text) >= _LONG_TEXT or _is_suspect(text)


def _is_suspect(text: str) -> bool:
    if any(mark in text for mark in _MARKS) or (":/" in text and "@" in text):
        return True
    return max(map(len, text.split()), default=0) >= _LONG_WORD


def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    global _compiled  # noqa: PLW0603 - compiled once, when they are needed first
    if _compiled is None:
        import re

        web_tokens, others = (re.compile(each, re.VERBOSE | re.DOTALL) for each in (_WEB_TOKENS, _FORMS))
        _compiled = web_tokens, others, re.compile(_LONG_OBJECTS)
    return _compiled


class Lines:
    """Masks line by line: a private key has many."""

    __slots__ = ("_in_key",)

    def __init__(self) -> None:
        self._in_key = False

    def mask(self, line: str) -> str:
        if self._in_key and _is_of_key(line):
            return MASK
        self._in_key = "KEY-----" in line and "-----BEGIN" in line and "-----END" not in line
        return mask(line)


def _is_of_key(line: str) -> bool:
    """No line with blanks is, so that nothing that the Listener says of its state can be hidden by a job."""
    word = line.strip()
    base64 = word.replace("+", "").replace("/", "").replace("=", "")
    return not word or base64.isalnum() or word.startswith(("Proc-Type:", "DEK-Info:"))
