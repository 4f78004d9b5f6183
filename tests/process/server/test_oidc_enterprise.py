"""Workflows of a GitHub Enterprise Server, whose issuer is a path of the server itself: ``https://HOST/_services/token``."""

from __future__ import annotations

import json
import os
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from runnerctl.core.access.oidc import issuer_keys
from runnerctl.core.domain.errors import IssuerUnavailable
from runnerctl.core.http.settings import HttpSettings
from runnerctl.core.settings.parsing import issuer
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.certificates import certificate
from tests.support.hosts.host import Host, Server
from tests.support.hosts.issuers import Hall, settings
from tests.support.sandboxes.strictness import strict_sandbox

ENTERPRISE = "/_services/token"
KEYS = "/.well-known/jwks"


@pytest.fixture(scope="module")
def hall(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """Its issuer is set with a slash at the end, which the tokens' has not."""
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("enterprise")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        rules = [{"match": {"repository": "acme/*"}}]
        host.write_env_file(
            **{**settings(sandbox, rules), "RUNNERCTL_OIDC_ISSUER": f"{sandbox.server_url}{ENTERPRISE}/"}
        )
        server = Server.start(host, {})
        yield Hall(server, sandbox, host)
        server.stop()
        host.kill_everything()


def test_a_workflow_of_the_enterprise_server_gets_in_by_keys_of_its_own_issuer(hall: Hall) -> None:
    hall.sandbox.add_fault(Fault("GET /.well-known", status=503, times=None))  # the server's own path is not asked
    answer = hall.ask(hall.token(iss=hall.sandbox.enterprise_issuer))
    assert (answer.status_code, answer.json().get("actor")) == (200, "oidc:acme/widgets@refs/heads/main")


STRANGERS: dict[str, Callable[[Sandbox], str]] = {
    "the server itself": lambda sandbox: sandbox.server_url,
    "github.com": lambda _: "https://token.actions.githubusercontent.com",
    "with a slash": lambda sandbox: f"{sandbox.enterprise_issuer}/",
    "another path": lambda sandbox: f"{sandbox.server_url}/_services/tokens",
    "below it": lambda sandbox: f"{sandbox.enterprise_issuer}/acme",
    "in other letters": lambda sandbox: f"{sandbox.server_url}/_Services/token",
    "another scheme": lambda sandbox: sandbox.enterprise_issuer.replace("http:", "https:"),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_another_issuers_token_does_not_get_in_though_the_same_key_signs_it(hall: Hall, kind: str) -> None:
    token = hall.token(iss=STRANGERS[kind](hall.sandbox))
    headers = {"X-Forwarded-For": f"10.0.0.{list(STRANGERS).index(kind) + 1}"}
    refused = hall.server.request("GET", "/api/v1/whoami", headers={**headers, "Authorization": f"Bearer {token}"})
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert "another issuer's" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://ghes.example/_services/token", "https://ghes.example/_services/token"),
        ("https://ghes.example/_services/token/", "https://ghes.example/_services/token"),
        ("https://ghes.example:8443/_services/token", "https://ghes.example:8443/_services/token"),
        ("http://127.0.0.1:8080/_services/token", "http://127.0.0.1:8080/_services/token"),
        ("http://localhost/_services/token", "http://localhost/_services/token"),
        ("http://[::1]/_services/token", "http://[::1]/_services/token"),
        ("http://ghes.example/_services/token", None),
        ("http://127.0.0.1.ghes.example/_services/token", None),
        ("http://10.0.0.1/_services/token", None),
        ("http://localhost@ghes.example/_services/token", None),
        ("ghes.example/_services/token", None),
        ("file:///_services/token", None),
    ],
)
def test_an_issuer_is_asked_over_https_but_for_one_on_this_machine(written: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(ValueError, match="use an https address; http is for this machine only"):
            issuer(written)
    else:
        assert issuer(written) == meant


# --- Where its keys are ---


def fetch(issuer: str) -> list[str]:
    return list(issuer_keys.fetch(issuer, http=HttpSettings.read(os.environ, {}), user_agent="test"))


def test_keys_may_be_on_another_host_that_the_issuer_names(sandbox: Sandbox) -> None:
    """With the configuration of an issuer one believes its address of keys, wherever that is (OpenID Discovery, 3)."""
    with Sandbox() as elsewhere:
        elsewhere.rotate_oidc_key()
        address = elsewhere.enterprise_issuer.replace("127.0.0.1", "localhost") + KEYS
        body = {"issuer": sandbox.enterprise_issuer, "jwks_uri": address}
        sandbox.add_fault(Fault("openid-configuration", status=200, body=body))
        assert fetch(sandbox.enterprise_issuer) == ["sandbox-2"]


def test_a_configuration_of_the_servers_own_issuer_is_not_its_token_services(sandbox: Sandbox) -> None:
    body = {"issuer": sandbox.server_url, "jwks_uri": sandbox.server_url + KEYS}
    sandbox.add_fault(Fault("openid-configuration", status=200, body=body))
    with pytest.raises(IssuerUnavailable, match="another issuer's"):
        fetch(sandbox.enterprise_issuer)


def test_an_issuer_over_https_cannot_send_us_to_a_port_of_this_machine_for_keys(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its jobs could listen there."""
    cert, key = certificate(tmp_path, "ghes")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
    with _over_tls(cert, key) as (address, configuration):
        configuration.update(issuer=address, jwks_uri=f"{sandbox.enterprise_issuer}{KEYS}")
        with pytest.raises(IssuerUnavailable, match="on this machine without TLS"):
            fetch(address)
        configuration["jwks_uri"] = f"{address}{KEYS}"
        with pytest.raises(IssuerUnavailable, match="no RS256 or ES256 key"):
            fetch(address)


@contextmanager
def _over_tls(cert: Path, key: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """An issuer's address over https, and the document that it answers everything with."""
    document: dict[str, str] = {}

    class Issuer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test says what is wrong."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Issuer) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield f"https://localhost:{server.server_port}{ENTERPRISE}", document
        finally:
            server.shutdown()
