"""config.sh's own protocol: a registration token from the first call to the last, and a remove token to go."""

from __future__ import annotations

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from tests.support.sandboxes.configuring import Configuring, listener_of

pytest_plugins = ("tests.support.sandboxes.sandboxes",)

STEPS = [{"run": "echo hello"}]


@pytest.fixture(scope="module")
def own_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize("scope", ["repos/o/r", "orgs/o"])
def test_a_runner_is_registered_that_stays_after_its_jobs(strict, own_key, scope):
    configuring = Configuring(strict, scope, own_key)
    begun = configuring.begin().json()
    assert (begun["token_schema"], begun["use_v2_flow"]) == ("OAuthAccessToken", True)
    groups = configuring.call("GET", f"/{scope}/actions/runner-groups").json()
    assert groups["runner_groups"][0]["default"] is True
    assert configuring.call("GET", f"/{scope}/actions/runners?name=p1").json()["total_count"] == 0
    made = configuring.register().json()
    assert made["authorization"]["server_url"] == begun["url"]
    listener = listener_of(made, own_key).connect()
    for _ in range(2):
        strict.submit_job("o/r", "self-hosted", STEPS)
        assert listener.take().complete().ok
    assert strict.wait_runner("p1", timeout=20).busy is False


def test_a_name_is_taken_until_its_registration_is_replaced_by_its_id(strict, own_key):
    configuring = Configuring(strict, "repos/o/r", own_key)
    made = configuring.register().json()
    assert configuring.register().status_code == 409
    assert configuring.register(replace=True, runner_id=made["id"] + 1).status_code == 409
    again = configuring.register(labels=("new",), replace=True, runner_id=made["id"]).json()
    assert again["id"] == made["id"]
    assert strict.runners()[0].labels == ("new",)


def test_a_remove_token_removes_a_runner_and_does_nothing_else(strict, own_key):
    made = Configuring(strict, "repos/o/r", own_key).register().json()
    removing = Configuring(strict, "repos/o/r", own_key, token_kind="remove")
    assert removing.call("GET", "/repos/o/r/actions/runners?name=p1").status_code == 404
    assert removing.register(name="p2").status_code == 404
    assert removing.call("DELETE", f"/repos/o/r/actions/runners/{made['id']}").status_code == 204
    assert strict.runners() == []


def test_a_registration_token_is_good_for_its_own_scope_and_event_only(strict, own_key):
    configuring = Configuring(strict, "repos/o/r", own_key)
    made = configuring.register().json()
    assert configuring.begin("remove").status_code == 404
    assert configuring.call("DELETE", f"/repos/o/r/actions/runners/{made['id']}").status_code == 404
    assert configuring.call("GET", "/repos/o/other/actions/runners?name=p1").status_code == 404
    configuring.url = f"{strict.server_url}/o/other"
    assert configuring.begin().status_code == 404
    assert configuring.register(name="p2").status_code == 404


def test_a_version_below_the_minimum_or_past_its_end_is_told_that_it_is_out_of_date(strict, own_key):
    configuring = Configuring(strict, "repos/o/r", own_key)
    strict.registration_minimum = "2.999.0"
    for refused in (configuring.begin(), configuring.register()):
        assert refused.status_code == 404
        assert "out of date and can no longer register with GitHub" in refused.json()["message"]
        assert "is now 2.999.0" in refused.json()["message"]
    strict.registration_minimum = "2.329.0"
    strict.end_version("2.336.0", registration=1.0)
    assert configuring.register().status_code == 404
    strict.end_version("2.336.0")
    assert configuring.register().status_code == 200


def test_no_other_scheme_makes_a_registration_token_good(strict, own_key):
    token = Configuring(strict, "repos/o/r", own_key).token
    headers = {"Authorization": f"Bearer {token}"}
    answer = requests.get(f"{strict.api_url}/repos/o/r/actions/runners?name=p1", headers=headers, timeout=10)
    assert answer.status_code == 401


def test_a_sandbox_on_port_80_names_itself_without_a_port(as_root, strict_at):
    sandbox = strict_at("127.44.0.2", 80)
    assert (sandbox.server_url, sandbox.api_url) == ("http://127.44.0.2", "http://127.44.0.2/api/v3")
    assert requests.get(f"{sandbox.api_url}/meta", timeout=10).ok
