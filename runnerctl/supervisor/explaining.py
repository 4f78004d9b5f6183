"""What the runner's own words mean for whoever runs it: the cause and what to do, in place of .NET's way to say it.

Also for ``config.sh``, whose words the manager reads. A job can forge a Listener's line: it is shown, and nothing else.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INVARIANT = "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"
_SEE = "`runnerctl doctor` names the package"
# Of .NET 8 (dotnet/runtime: GlobalizationMode.Unix.cs, opensslshim.c), of config.sh (actions/runner: src/Misc) and of
# glibc's loader: a part of what they say, and what that comes to.
_ICU = f"libicu is missing: install it ({_SEE}), or set {_INVARIANT}=1 in job_env"
_SSL = f"libssl is missing: install OpenSSL's libraries ({_SEE})"
_CAUSES = (
    ("Couldn't find a valid ICU package", _ICU),
    ("Libicu's dependencies is missing", _ICU),
    ("No usable version of libssl was found", _SSL),
    ("OpenSSL is required for algorithm", _SSL),
    ("Cannot load library libgssapi_krb5", f"libgssapi_krb5 is missing: install Kerberos' libraries ({_SEE})"),
    ("Dependencies is missing for Dotnet Core", f"a library that the runner needs is missing ({_SEE})"),
)
_LOADER = "error while loading shared libraries: "
_GLIBC = "version `GLIBC"
_UNTRUSTED = ("UntrustedRoot", "PartialChain", "RemoteCertificateNameMismatch", "RemoteCertificateChainErrors")
_REFUSED_BY_PROXY = ("ProxyAuthenticationRequired", "status code '407'", "407 (Proxy Authentication Required)")
PROXY_HINT = "set them in HTTPS_PROXY"
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY")


def cause(line: str) -> str | None:
    """Why a program of the runner's cannot run here; None for a line that does not say so."""
    for words, meaning in _CAUSES:
        if words in line:
            return meaning
    if _LOADER in line:
        library = line.partition(_LOADER)[2].partition(":")[0].strip()
        return f"{library[:64]} is missing, which the runner needs ({_SEE})"
    if _GLIBC in line and "not found" in line:
        return "this host's glibc is too old for the runner: use a newer distribution"
    return None


def first_cause(output: Iterable[str]) -> str | None:
    """Of several lines; what is said first is what the others follow from."""
    return next((found for line in output if (found := cause(line)) is not None), None)


def connect_error(said: str, environment: Mapping[str, str]) -> str:
    """Why it cannot connect, with what to do where that is known; ``environment`` is what the runner was given."""
    if any(words in said for words in _REFUSED_BY_PROXY):
        return f"{proxy_refuses(_proxy(environment, said))}: {PROXY_HINT} ({said})"
    if any(words in said for words in _UNTRUSTED):
        return f"GitHub's certificate is not trusted: install ca-certificates, or set SSL_CERT_FILE ({said})"
    return said


def proxy_refuses(address: str) -> str:
    """A 407, which is never GitHub's. Of the proxy's address its host and port are told."""
    named = f"The proxy {host_of(address)}" if address else "The proxy"
    asks = address and "@" not in address
    return f"{named} {'asks for' if asks else 'refuses the'} user and password (407)"


def _proxy(environment: Mapping[str, str], said: str) -> str:
    """The address that was given, or that it names itself."""
    given = next((environment[each] for each in _PROXIES if environment.get(each)), "")
    return given or said.partition("tunnel request to proxy '")[2].partition("'")[0]


def host_of(address: str) -> str:
    return address.rpartition("://")[2].partition("/")[0].rpartition("@")[2]
