"""``make audit``: known vulnerabilities of what is installed, asked of a server of advisories on this machine."""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any

import pytest

from tests.support.places import REPOSITORY

pytestmark = pytest.mark.long

AUDIT = REPOSITORY / ".ci" / "audit.py"
ADVISORY = {
    "id": "CVE-2099-1",
    "summary": "Bad",
    "modified": "2099-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "click", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999"}]}],
        }
    ],
}


class _Advisories(BaseHTTPRequestHandler):
    """As OSV answers: https://google.github.io/osv.dev/post-v1-query/"""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        vulnerable = asked["package"]["name"] == "click"
        body = json.dumps({"vulns": [ADVISORY]} if vulnerable else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what is wrong."""


@contextmanager
def _advisories() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Advisories) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query"
        finally:
            server.shutdown()


@contextmanager
def _nobody() -> Iterator[str]:
    """An address at which nothing listens, and nothing else can."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1/query"


def _audit(url: str) -> subprocess.Popen[str]:
    argv = [sys.executable, str(AUDIT), "--vulnerability-service", "osv", "--osv-url", url]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def audited() -> dict[str, tuple[int, str]]:
    """Exit status and output with advisories and without, side by side: the tool is slow to give up."""
    if importlib.util.find_spec("pip_audit") is None:
        pytest.skip("needs pip-audit, of the extra `dev`")
    with _advisories() as url, _nobody() as nowhere:
        asking = {"found": _audit(url), "offline": _audit(nowhere)}
        said = {name: process.communicate(timeout=60)[0] for name, process in asking.items()}
    return {name: (process.returncode, said[name]) for name, process in asking.items()}


def test_a_known_vulnerability_fails_the_audit_and_package_and_advisory_are_named(
    audited: dict[str, tuple[int, str]],
) -> None:
    status, said = audited["found"]
    assert (status, said.splitlines()[0]) == (1, f"click {version('click')}: CVE-2099-1, mended in 999"), said
    assert "1 known vulnerabilities" in said


def test_without_advisories_the_audit_says_that_nothing_was_checked_and_is_no_failure(
    audited: dict[str, tuple[int, str]],
) -> None:
    status, said = audited["offline"]
    assert (status, said.startswith("NOT AUDITED: the advisories cannot be had (")) == (0, True), said
    assert "refused" in said
    assert len(said.splitlines()) == 1


@pytest.fixture(scope="module")
def judge() -> Any:
    spec = importlib.util.spec_from_file_location("audit", AUDIT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._judge


CLEAN = {"name": "click", "version": "8", "vulns": []}
UNKNOWN = {"name": "inhouse", "skip_reason": "Dependency not found on PyPI and could not be audited: inhouse (1)"}
OURSELVES = {"name": "runnerctl", "skip_reason": "distribution marked as editable"}
UNMENDED = {"name": "rich", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": []}]}


@pytest.mark.parametrize(
    ("dependencies", "status", "says"),
    [
        ([CLEAN, OURSELVES], 0, "1 packages audited, 0 known vulnerabilities\n"),
        ([CLEAN, UNKNOWN], 0, "NOT AUDITED, as nothing is known of them: inhouse\n"),
        ([UNMENDED, UNKNOWN], 1, "rich 1: CVE-1, mended in none yet\n"),
        # What an index without advisories looks like: pip-audit itself calls that no known vulnerability.
        ([UNKNOWN, OURSELVES], 0, "NOT AUDITED: the advisories cannot be had (none of the packages is known there)"),
    ],
)
def test_a_package_of_which_nothing_is_known_never_counts_as_audited(
    judge: Any, capsys: pytest.CaptureFixture[str], dependencies: list[dict[str, Any]], status: int, says: str
) -> None:
    assert judge(dependencies) == status
    assert says in capsys.readouterr().out
