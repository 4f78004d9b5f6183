"""Secrets taken out of text that leaves us: logs, messages, streams."""

from __future__ import annotations

import re

_SECRETS = re.compile(
    r"""
      gh[oprsu]_[A-Za-z0-9._-]{20,}                              # GitHub tokens; installation tokens may hold dots
    | github_pat_[A-Za-z0-9_]{20,}
    | rctl_[A-Za-z0-9_-]{20,}
    | eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)?   # JSON web tokens
    | e[yw][A-Za-z0-9+/]{200,}={0,2}                             # JIT configurations: base64 of a JSON object
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*PRIVATE\ KEY-----|\Z)
    | (?<=Bearer\ )\S+ | (?<=RemoteAuth\ )\S+
    """,
    re.VERBOSE | re.DOTALL,
)

MASK = "***"


def redact(text: str) -> str:
    """``text`` with everything that looks like a secret of ours or GitHub's masked."""
    return _SECRETS.sub(MASK, text)
