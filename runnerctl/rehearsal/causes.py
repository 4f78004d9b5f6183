"""Why a runner or its job failed, by what the real runner says, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from .proofs import Level, Proof


class _Cause(NamedTuple):
    pattern: re.Pattern[str]
    message: str
    hint: str


_INSTALL = "sudo apt-get install {0}, sudo dnf install {1}, or the package's bin/installdependencies.sh"
_CAUSES = (
    _Cause(
        re.compile(r"valid ICU package"),
        "libicu is missing, and the runner does not start without it",
        _INSTALL.format("libicu-dev", "libicu")
        + "; or give runners DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1 in job_env",
    ),
    _Cause(
        re.compile(r"OpenSSL is required|No usable version of libssl"),
        "libssl is missing, and the runner signs nothing without it",
        _INSTALL.format("libssl3", "openssl-libs"),
    ),
    _Cause(
        re.compile(r"required for '(?P<path>[^']+)' and each directory up the hierarchy"),
        "The runner cannot list {path}, a directory above its own",
        "chmod o+rx {path}, or choose another base directory (defaults.base_dir)",
    ),
    _Cause(
        re.compile(r"version `(?P<library>GLIBC\w*_[\d.]+)' not found"),
        "The runner package needs {library}, which is newer than this host's",
        "Use a newer distribution",
    ),
    _Cause(
        re.compile(r"Exec format error"),
        "The runner package is for another processor",
        "Use --package with the one for this machine: uname -m",
    ),
    _Cause(
        re.compile(r"libstdc\+\+\.so\.6: cannot open shared object"),
        "libstdc++ is missing, and the runner does not start without it",
        _INSTALL.format("libstdc++6", "libstdc++"),
    ),
)


def checked(message: str, checks: Iterable[Proof]) -> str | None:
    """What the checks that came first say to do about the same: they know this distribution's packages."""
    named = re.findall(r"\blib[a-z+]+", message)
    warned = (each for each in checks if each.check == "libraries" and each.level is not Level.OK)
    return next((each.hint for each in warned if any(name in each.message for name in named)), None)


def cause(*texts: str) -> tuple[str, str] | None:
    """(message, hint) for the first text that tells; None where none does."""
    for text in texts:
        for each in _CAUSES:
            if (found := each.pattern.search(text)) is not None:
                named = found.groupdict()
                return each.message.format(**named), each.hint.format(**named)
    return None
