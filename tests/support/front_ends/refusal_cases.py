"""What runnerctl must refuse, as data: the same case is put to the command line and to the server."""

from __future__ import annotations

import base64
import functools
import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from runnerctl.sandbox import Fault
from runnerctl.standin.archive import build_archive

REPO = "acme/widgets"

STATUSES: Mapping[str, tuple[int, int]] = {
    "invalid_request": (2, 400),
    "config_invalid": (2, 500),
    "github_credentials": (4, 502),
    "github_not_found": (4, 502),
    "runner_not_found": (5, 404),
    "runner_exists": (6, 409),
    "runner_busy": (6, 409),
    "scope_mismatch": (6, 409),
    "backend_failed": (8, 500),
    "package_invalid": (8, 502),
    "disk_full": (8, 507),
    "github_refused": (8, 502),
    "github_unavailable": (9, 502),
    "github_rate_limited": (9, 503),
}
"""Code → exit status and HTTP status: interface.md §5, written down a second time on purpose."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One create, as it is typed and as it is sent."""

    name: str
    repo: str | None = REPO
    org: str | None = None
    labels: str | None = None
    group: str | None = None
    version: str | None = None
    workdir: str | None = None
    ephemeral: bool | None = None
    wait: str = "none"
    """What becomes of a runner that was made is none of a refusal's."""

    def body(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if value is not None}

    def argv(self) -> list[str]:
        given = {
            "repo": self.repo,
            "org": self.org,
            "labels": self.labels,
            "group": self.group,
            "runner-version": self.version,
            "workdir": self.workdir,
            "wait": self.wait,
        }
        kind = {None: [], True: ["--ephemeral"], False: ["--persistent"]}[self.ephemeral]
        flags = [f"--{flag}={value}" for flag, value in given.items() if value is not None]
        return ["create", *kind, *flags, "--", self.name]


# --- What the caller got wrong ---


@dataclass(frozen=True, kw_only=True)
class BadAsk:
    id: str
    ask: Ask
    field: str
    says: str
    hint: str


def _bad(what: str, field: str, says: str, hint: str, **asked: Any) -> BadAsk:
    return BadAsk(id=what, ask=Ask(**{"name": "fine", **asked}), field=field, says=says, hint=hint)


_NAME_HINT = "Use 1 to 64 letters"
_REPO_HINT = "OWNER/REPO"

BAD_ASKS = [
    _bad("name that climbs", "name", "'../x' is not allowed", _NAME_HINT, name="../x"),
    _bad("hidden name", "name", "'.x' is not allowed", _NAME_HINT, name=".x"),
    _bad("name of a trash entry", "name", "'.trash' is not allowed", _NAME_HINT, name=".trash"),
    _bad("name with a slash", "name", "'a/b' is not allowed", _NAME_HINT, name="a/b"),
    _bad("name of 65 characters", "name", "is not allowed", _NAME_HINT, name="n" * 65),
    _bad("empty name", "name", "'' is not allowed", _NAME_HINT, name=""),
    _bad("name of blanks", "name", "' ' is not allowed", _NAME_HINT, name=" "),
    _bad("non-ASCII name", "name", "'läufer' is not allowed", _NAME_HINT, name="läufer"),
    _bad("name with other digits", "name", "is not allowed", _NAME_HINT, name="runner٣"),
    _bad("name with a newline", "name", "'a\\n' is not allowed", _NAME_HINT, name="a\n"),
    _bad("name that is a flag", "name", "'--force' is not allowed", _NAME_HINT, name="--force"),
    _bad("repository without owner", "repo", "'widgets' is not allowed", _REPO_HINT, repo="widgets"),
    _bad("repository of three parts", "repo", "'a/b/c' is not allowed", _REPO_HINT, repo="a/b/c"),
    _bad("repository that climbs", "repo", "'acme/..' is not allowed", _REPO_HINT, repo="acme/.."),
    _bad("address of an organization", "repo", "is not allowed", _REPO_HINT, repo="https://github.com/a"),
    _bad("repository with a query", "repo", "is not allowed", _REPO_HINT, repo="acme/widgets?x=1"),
    _bad("non-ASCII repository", "repo", "is not allowed", _REPO_HINT, repo="acme/wïdgets"),
    _bad("no repository", "repo", "No repository was given", _REPO_HINT, repo=None),
    _bad("empty repository", "repo", "'' is not allowed", _REPO_HINT, repo=""),
    _bad("repository and organization", "repo", "both given", _REPO_HINT, org="acme"),
    _bad("organization that is none", "org", "'acme/widgets' is not allowed", "login", repo=None, org=REPO),
    _bad("group of a repository", "group", "belong to organizations", "Leave the group out", group="builders"),
    _bad("empty group", "group", "is not allowed", "Use the group's name", repo=None, org="acme", group=" "),
    _bad("empty label", "labels", "A label is empty", "single commas", labels="linux,,gpu"),
    _bad("label of 257 characters", "labels", "257 characters", "at most 256", labels="x" * 257),
    _bad("label with a control character", "labels", "is not allowed", "no control", labels="a\x07b"),
    _bad("too many labels", "labels", "101 labels", "at most 100", labels=",".join(f"l{n}" for n in range(100))),
    _bad("version that is none", "version", "'newest' is not allowed", "Use 'latest'", version="newest"),
    _bad("version that climbs", "version", "is not allowed", "Use 'latest'", version="../2.336.0"),
    _bad("absolute work directory", "workdir", "'/srv' is not allowed", "one plain name", workdir="/srv"),
    _bad("work directory that climbs", "workdir", "'..' is not allowed", "one plain name", workdir=".."),
    _bad("work directory of the runner's own", "workdir", "'bin' is not allowed", "one plain name", workdir="bin"),
]


# --- Settings that cannot be used ---


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@functools.cache
def _rsa() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def another_key() -> str:
    """A good key, but of another App."""
    return b64(_pem(_rsa()))


def _encrypted() -> str:
    return b64(_pem(_rsa(), b"a passphrase"))


def _elliptic() -> str:
    return b64(_pem(ec.generate_private_key(ec.SECP256R1())))


def _public() -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return b64(_rsa().public_key().public_bytes(serialization.Encoding.PEM, spki))


def _half() -> str:
    return b64(_pem(_rsa())[:400])


@dataclass(frozen=True, kw_only=True)
class BadKey:
    id: str
    says: str
    hint: str
    changes: Mapping[str, str | Callable[[], str]]
    """An empty variable counts as unset."""
    serve: bool = True
    """Whether a server is started with it, too: each costs half a second."""

    def variables(self) -> dict[str, str]:
        return {name: text if isinstance(text, str) else text() for name, text in self.changes.items()}


APP, KEY, KEY_FILE, KEY_B64 = (
    "GITHUB_APP_ID",
    "GITHUB_APP_PRIVATE_KEY",
    "GITHUB_APP_PRIVATE_KEY_FILE",
    "GITHUB_APP_PRIVATE_KEY_B64",
)

BAD_KEYS = [
    BadKey(id="none at all", says="No GitHub credentials are set", hint=APP, changes={APP: "", KEY_B64: ""}),
    BadKey(id="two keys", says=f"{KEY} and {KEY_B64} are both set", hint="exactly one", changes={KEY: "a key"}),
    BadKey(
        id="file and text",
        says=f"{KEY_FILE} and {KEY_B64} are both set",
        hint="exactly one",
        changes={KEY_FILE: "/nowhere/key.pem"},
        serve=False,
    ),
    BadKey(id="key without App id", says=f"no {APP}", hint="client id", changes={APP: ""}),
    BadKey(id="App id without key", says="no private key", hint=KEY_FILE, changes={KEY_B64: ""}),
    BadKey(id="no PEM", says="not a PEM key", hint=".pem file", changes={KEY_B64: "", KEY: "hello"}),
    BadKey(id="base64 of rubbish", says="not a PEM key", hint=".pem file", changes={KEY_B64: b64(b"rubbish")}),
    BadKey(
        id="base64 of bytes",
        says="not the base64 of a PEM file",
        hint="base64 -w0",
        changes={KEY_B64: "/////w=="},
        serve=False,
    ),
    BadKey(
        id="no base64", says="not the base64 of a PEM file", hint="base64 -w0", changes={KEY_B64: "%%%"}, serve=False
    ),
    BadKey(id="half a key", says="not a PEM key", hint=".pem file", changes={KEY_B64: _half}, serve=False),
    BadKey(id="encrypted key", says="is encrypted", hint="without a passphrase", changes={KEY_B64: _encrypted}),
    BadKey(id="elliptic key", says="not an RSA key", hint=".pem file", changes={KEY_B64: _elliptic}),
    BadKey(id="public key", says="is a public key", hint=".pem file", changes={KEY_B64: _public}, serve=False),
    BadKey(
        id="file that is not there",
        says="'/nowhere/key.pem', cannot be read",
        hint="",
        changes={KEY_B64: "", KEY_FILE: "/nowhere/key.pem"},
    ),
    BadKey(
        id="directory for a file",
        says="'/', cannot be read",
        hint="",
        changes={KEY_B64: "", KEY_FILE: "/"},
        serve=False,
    ),
]


# --- What GitHub refuses, or does not answer ---


@dataclass(frozen=True, kw_only=True)
class Trouble:
    id: str
    code: str
    says: str
    hint: str = ""
    not_says: str = "<"
    retry_after: float | None = None
    ask: Ask = field(default_factory=lambda: Ask(name="troubled"))
    faults: tuple[Fault, ...] = ()


JIT = "POST .*/actions/runners/generate-jitconfig"
LIST = "GET .*/actions/runners$"


def always(match: str, **vice: Any) -> Fault:
    return Fault(match=match, times=None, **vice)


_DISABLED = {"message": ""}
_FORBIDDEN = {"message": "Resource not accessible by integration"}
_WANTED = {"X-Accepted-GitHub-Permissions": "administration=write"}
_INVALID = {"message": "Validation Failed", "errors": [{"resource": "Runner", "field": "labels", "code": "invalid"}]}
_TAKEN = {"message": "Already exists - A runner with the name *** already exists."}
_SECRET = {"message": "Bad token ghs_" + "a1B2c3D4" * 5}
_LONG = {"message": "no \x1b[31m" + "very " * 400}
_PAGE = "<!DOCTYPE html><html><body><h1>We'll be back soon</h1></body></html>"

TROUBLES = [
    Trouble(
        id="App not installed",
        ask=Ask(name="troubled", repo="not-installed/widgets"),
        code="github_not_found",
        says="The GitHub App is not installed on 'not-installed/widgets', or there is no such repository",
        hint="Check the name",
    ),
    Trouble(
        id="App not installed on the organization",
        ask=Ask(name="troubled", repo=None, org="not-installed"),
        code="github_not_found",
        says="The GitHub App is not installed on 'not-installed', or there is no such organization",
        hint="Check the name",
    ),
    Trouble(
        id="missing repository",
        ask=Ask(name="troubled", repo="acme/missing"),
        code="github_not_found",
        says="there is no such repository",
        hint="Check the name",
    ),
    Trouble(
        id="wrong App id",
        ask=Ask(name="troubled", repo="elsewhere/one"),
        faults=(always("GET .*/installation$", status=404, body={"message": "Integration not found"}),),
        code="github_credentials",
        says="GitHub knows no App with this id",
        hint="GITHUB_APP_ID",
    ),
    Trouble(
        id="key of another App",
        ask=Ask(name="troubled", repo="elsewhere/two"),
        faults=(always("GET .*/installation$", status=401, body={"message": "A JSON web token could not be decoded"}),),
        code="github_credentials",
        says="refused the App's signature",
        hint="private key belongs to the App",
    ),
    Trouble(
        id="401",
        faults=(always(JIT, status=401, body={"message": "Bad credentials"}),),
        code="github_credentials",
        says="GitHub refused the token: Bad credentials",
        hint="GITHUB_APP_ID",
    ),
    Trouble(
        id="403",
        faults=(always(JIT, status=403, body=_FORBIDDEN, headers=_WANTED),),
        code="github_credentials",
        says="Resource not accessible by integration",
        hint="the permission administration=write",
    ),
    Trouble(
        id="403 of the sandbox itself",
        ask=Ask(name="troubled", repo="no-permission/widgets"),
        code="github_credentials",
        says="Resource not accessible by integration",
        hint="permission",
    ),
    Trouble(
        id="empty 403",
        faults=(always(JIT, status=403, body=_DISABLED),),
        code="github_refused",
        says="self-hosted runners are disabled there",
        hint="organization's Actions settings",
    ),
    Trouble(
        id="404 for the registration",
        faults=(always(JIT, status=404),),
        code="github_not_found",
        says="There is no repository 'acme/widgets', or the App is not installed there",
        hint="Check the name",
    ),
    Trouble(
        id="409 for a name that nobody bears",
        faults=(always(JIT, status=409, body=_TAKEN),),
        code="runner_exists",
        says="GitHub already has a runner named 'troubled' in acme/widgets",
        hint="Choose another name",
    ),
    Trouble(
        id="422",
        faults=(always(JIT, status=422, body=_INVALID),),
        code="github_refused",
        says="Validation Failed; Runner labels invalid",
    ),
    Trouble(
        id="secret in GitHub's text",
        faults=(always(JIT, status=422, body=_SECRET),),
        code="github_refused",
        says="Bad token ***",
        not_says="a1B2",
    ),
    Trouble(
        id="long and coloured text of GitHub's",
        faults=(always(JIT, status=422, body=_LONG),),
        code="github_refused",
        says="no  [31mvery very".replace("  ", " "),
        not_says="\x1b",
    ),
    Trouble(
        id="500",
        faults=(always(JIT, status=500, body={"message": "Server Error"}),),
        code="github_unavailable",
        says="Server Error (status 500)",
    ),
    Trouble(
        id="503 with a page",
        faults=(always(JIT, status=503, body=_PAGE, headers={"Retry-After": "7"}),),
        code="github_unavailable",
        says="(status 503)",
        retry_after=7,
    ),
    Trouble(
        id="200 with a page",
        faults=(always(JIT, status=200, body=_PAGE),),
        code="github_unavailable",
        says="something else answered",
    ),
    Trouble(
        id="201 without a registration",
        faults=(always(JIT, status=201, body={"runner": {"id": 1}}),),
        code="github_unavailable",
        says="its answer is not understood",
    ),
    Trouble(
        id="redirect to another server",
        faults=(always(JIT, status=307, body={}, headers={"Location": "http://127.0.0.1:9/elsewhere"}),),
        code="github_refused",
        says="redirected to another server",
        hint="GITHUB_API_URL",
    ),
    Trouble(
        id="primary rate limit",
        faults=(always(JIT, rate_limit="primary", retry_after=37),),
        code="github_rate_limited",
        says="rate limit is used up",
        retry_after=37,
    ),
    Trouble(
        id="secondary rate limit",
        faults=(always(JIT, rate_limit="secondary", retry_after=23),),
        code="github_rate_limited",
        says="secondary rate limit",
        retry_after=23,
    ),
    Trouble(
        id="429",
        faults=(always(JIT, status=429, headers={"Retry-After": "11"}),),
        code="github_rate_limited",
        says="rate limit is used up",
        retry_after=11,
    ),
    Trouble(
        id="dropped before it was handled",
        faults=(always(JIT, drop=True),),
        code="github_unavailable",
        says="gave no answer when asked to register",
    ),
    Trouble(
        id="handled and never answered",
        faults=(always(JIT, lost_answer=True),),
        code="github_unavailable",
        says="gave no answer when asked to register",
    ),
    Trouble(
        id="answered too late",
        faults=(always(JIT, delay=3.0),),
        code="github_unavailable",
        says="it took longer than 1 s",
    ),
    Trouble(
        id="unknown group",
        ask=Ask(name="troubled", repo=None, org="acme", group="nobody"),
        code="github_not_found",
        says="'acme' has no runner group 'nobody'",
        hint="Check the name",
    ),
    Trouble(
        id="persistent: no registration token",
        ask=Ask(name="troubled", ephemeral=False),
        faults=(always("POST .*/registration-token", status=403, body=_FORBIDDEN, headers=_WANTED),),
        code="github_credentials",
        says="Resource not accessible by integration",
        hint="the permission administration=write",
    ),
    Trouble(
        id="persistent: refused",
        ask=Ask(name="troubled", ephemeral=False),
        faults=(always("POST .*/actions/runners/register$", status=422, body=_INVALID),),
        code="backend_failed",
        says="config.sh of runner 'troubled' failed",
        not_says="Authorization",
    ),
    Trouble(
        id="persistent: handled, and the answer lost once",
        ask=Ask(name="troubled", ephemeral=False),
        faults=(Fault(match="POST .*/actions/runners/register$", lost_answer=True),),
        code="backend_failed",
        says="config.sh of runner 'troubled' failed",
    ),
]


# --- Packages that must not be unpacked ---


@dataclass(frozen=True, kw_only=True)
class BadPackage:
    id: str
    version: str
    says: str
    build: Callable[[Path, str], Path]
    code: str = "package_invalid"
    faults: tuple[Fault, ...] = ()


def _with(member: tarfile.TarInfo, content: bytes = b"") -> Callable[[Path, str], Path]:
    """The stand-in's package, and one member too many."""

    def build(target: Path, version: str) -> Path:
        build_archive(target, version=version)
        member.size = len(content)
        with tarfile.open(target) as good, tarfile.open(f"{target}.bad", "w:gz") as bad:
            for each in good:
                bad.addfile(each, good.extractfile(each) if each.isreg() else None)
            bad.addfile(member, io.BytesIO(content))
        return Path(f"{target}.bad")

    return build


def _link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def _truncated(target: Path, version: str) -> Path:
    whole = build_archive(target, version=version).read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    return target


def _text(target: Path, version: str) -> Path:
    target.write_text("this is no archive")
    return target


def _empty(target: Path, version: str) -> Path:
    with tarfile.open(target, "w:gz"):
        return target


def _good(target: Path, version: str) -> Path:
    return build_archive(target, version=version)


_DOWNLOAD = "GET /sandbox/downloads/"

BAD_PACKAGES = [
    BadPackage(id="truncated", version="9.0.1", says="is truncated", build=_truncated),
    BadPackage(id="no archive", version="9.0.2", says="not a readable .tar.gz", build=_text),
    BadPackage(id="empty", version="9.0.3", says="no executable 'bin/Runner.Listener'", build=_empty),
    BadPackage(
        id="member that climbs",
        version="9.0.4",
        says="'../escaped' leaves the archive",
        build=_with(tarfile.TarInfo("../escaped"), b"x"),
    ),
    BadPackage(
        id="absolute member",
        version="9.0.5",
        says="has an absolute path",
        build=_with(tarfile.TarInfo("/tmp/escaped"), b"x"),
    ),
    BadPackage(
        id="absolute link", version="9.0.6", says="links out of the archive", build=_with(_link("way-out", "/etc"))
    ),
    BadPackage(
        id="link that climbs",
        version="9.0.7",
        says="links out of the archive",
        build=_with(_link("bin/way-out", "../../..")),
    ),
    BadPackage(
        id="hard link to the host",
        version="9.0.8",
        says="hard link to no file of the archive",
        build=_with(_link("passwd", "/etc/passwd", tarfile.LNKTYPE)),
    ),
    BadPackage(
        id="device",
        version="9.0.9",
        says="neither file, directory nor link",
        build=_with(_link("null", "", tarfile.CHRTYPE)),
    ),
    BadPackage(
        id="download that breaks off",
        version="9.1.0",
        says="Downloading 'actions-runner-linux-",
        build=_good,
        code="github_unavailable",
        faults=(always(_DOWNLOAD, cut_after=1000),),
    ),
    BadPackage(
        id="download answered with 500",
        version="9.1.1",
        says="was answered with HTTP 500",
        build=_good,
        code="github_unavailable",
        faults=(always(_DOWNLOAD, status=500),),
    ),
    BadPackage(
        id="download answered with 404",
        version="9.1.2",
        says="was answered with HTTP 404",
        build=_good,
        code="github_refused",
        faults=(always(_DOWNLOAD, status=404),),
    ),
    BadPackage(
        id="download answered with a page",
        version="9.1.3",
        says="the wrong checksum",
        build=_good,
        faults=(always(_DOWNLOAD, status=200, body=_PAGE),),
    ),
]
