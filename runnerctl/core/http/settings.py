"""How the network is reached: proxies and trusted certificates, by the variables that everybody uses for them.

They count in the environment and in the env file. The libraries are told what stands here and look for nothing
themselves: neither in the environment, nor in ``~/.netrc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..domain.errors import ConfigInvalid

_HTTPS = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_HTTP = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_NO = ("no_proxy", "NO_PROXY")
_CA = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
VARIABLES = tuple(dict.fromkeys((*_HTTPS, *_HTTP, *_NO, *_CA)))
"""Of two that mean the same the first one counts, as it does for curl and Python."""


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """Proxies are addresses and may hold a password."""

    https_proxy: str | None = field(default=None, repr=False)
    http_proxy: str | None = field(default=None, repr=False)
    no_proxy: tuple[str, ...] = ()
    ca_path: str | None = None
    """A file of certificates, or a directory of them; None: those that come with Python's ``certifi``."""
    ca_variable: str = _CA[0]
    """Which variable named it, for messages."""
    exported: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What stood in the environment: a process of ours that reads the same env file needs no more than that."""

    @classmethod
    def read(cls, environ: Mapping[str, str], env_file: Mapping[str, str]) -> HttpSettings:
        """The environment wins over the env file. Raises ``ConfigInvalid`` for a proxy that cannot be one."""

        def first(names: tuple[str, ...]) -> tuple[str, str | None]:
            for source in (environ, env_file):
                for name in names:
                    if source.get(name, "").strip():
                        return name, source[name].strip()
            return names[0], None

        ca_variable, ca_path = first(_CA)
        if ca_path is not None and not Path(ca_path).is_absolute():
            raise ConfigInvalid(
                f"{ca_variable} {ca_path!r} is not an absolute path", hint=f"Use {str(Path(ca_path).absolute())!r}"
            )
        return cls(
            https_proxy=_proxy(*first(_HTTPS)),
            http_proxy=_proxy(*first(_HTTP)),
            no_proxy=tuple(word.strip() for word in (first(_NO)[1] or "").split(",") if word.strip()),
            ca_path=ca_path,
            ca_variable=ca_variable,
            exported={name: environ[name] for name in VARIABLES if environ.get(name)},
        )

    @property
    def variables(self) -> dict[str, str]:
        """All of it for a program of somebody else's: a Listener reaches GitHub as we do, whoever set it where."""
        values = {"http_proxy": self.http_proxy, "https_proxy": self.https_proxy, "no_proxy": ",".join(self.no_proxy)}
        if self.ca_path is not None:
            # OpenSSL's names, which .NET takes as well.
            values["SSL_CERT_DIR" if Path(self.ca_path).is_dir() else "SSL_CERT_FILE"] = self.ca_path
        both_cases = {**values, **{name.upper(): value for name, value in values.items()}}
        return {name: value for name, value in both_cases.items() if value}


def _proxy(variable: str, address: str | None) -> str | None:
    if address is None:
        return None
    address = address if "://" in address else f"http://{address}"
    scheme, _, rest = address.partition("://")
    host = rest.rpartition("@")[2].strip("/")
    if scheme.lower() not in {"http", "https"} or not host or any(letter.isspace() for letter in rest):
        # Not quoted: it may hold a password.
        raise ConfigInvalid(
            f"{variable} is not the address of a proxy", hint="Use http://HOST:PORT or https://HOST:PORT"
        )
    return address
