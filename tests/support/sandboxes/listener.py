"""A runner that speaks its side of the protocol by hand, one call a method, as the real one does."""

from __future__ import annotations

import base64
import json
import time
import uuid
from functools import lru_cache
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers

from runnerctl.sandbox import Sandbox

VERSION = "2.336.0"
NO_SESSION = str(uuid.UUID(int=0))
JSON = {"Content-Type": "application/json; charset=utf-8"}
TIME = "2026-11-30T12:00:00.000Z"


class Listener:
    def __init__(self, files: dict[str, Any], key: RSAPrivateKey) -> None:
        self.settings = {name.lower(): value for name, value in files[".runner"].items()}
        self.credentials = files[".credentials"]["Data"]
        self.key = key
        self.http = requests.Session()
        self.http.headers["User-Agent"] = f"GitHubActionsRunner-linux-x64/{VERSION}"
        self.session_id = NO_SESSION

    @classmethod
    def of(cls, sandbox: Sandbox, name: str, labels: list[str], scope: str = "repos/o/r") -> Listener:
        """Registered by a JIT configuration, not yet connected."""
        body = {"name": name, "runner_group_id": 1, "labels": labels}
        answer = rest(sandbox, "POST", f"/{scope}/actions/runners/generate-jitconfig", body)
        blob = json.loads(base64.b64decode(answer.json()["encoded_jit_config"]))
        files = {name: json.loads(base64.b64decode(content)) for name, content in blob.items()}
        return cls(files, private_key(files[".credentials_rsaparams"]))

    @property
    def id(self) -> int:
        return int(self.settings["agentid"])

    @property
    def algorithm(self) -> str:
        return "PS256" if self.credentials.get("RequireFipsCryptography", "True") == "True" else "RS256"

    def sign_in(self, *, algorithm: str | None = None, **claims: Any) -> requests.Response:
        url, now = self.credentials["AuthorizationUrl"], int(time.time())
        client = self.credentials["ClientId"]
        mine = {"iss": client, "sub": client, "aud": url, "nbf": now, "exp": now + 300, "jti": str(uuid.uuid4())}
        kept = {name: value for name, value in {**mine, **claims}.items() if value is not None}
        assertion = jwt.encode(kept, self.key, algorithm or self.algorithm)
        kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        form = {"grant_type": "client_credentials", "client_assertion_type": kind, "client_assertion": assertion}
        answer = self.http.post(url, data=form, timeout=10)
        if answer.ok:
            self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    def connect(self) -> Listener:
        assert self.sign_in().ok
        answer = self.open_session()
        assert answer.status_code == 200, answer.text
        self.session_id = answer.json()["sessionId"]
        return self

    def open_session(self) -> requests.Response:
        agent = {
            "id": self.id,
            "name": self.settings["agentname"],
            "version": VERSION,
            "osDescription": "Debian GNU/Linux 12 (bookworm)",
            "ephemeral": None,
            "status": 0,
            "provisioningState": None,
        }
        body = {"sessionId": NO_SESSION, "ownerName": "host (PID: 1)", "agent": agent, "useFipsEncryption": False}
        return self.post(self.broker("session"), body)

    def close_session(self) -> requests.Response:
        return self.http.delete(self.broker("session"), timeout=10)

    def poll(self, version: str = VERSION, status: str = "Online") -> requests.Response:
        return self.http.get(self.broker("message"), params=self.poll_query(version, status), timeout=30)

    def poll_query(self, version: str = VERSION, status: str = "Online") -> dict[str, str]:
        return {**self.query(version, status), "disableUpdate": "true"}

    def query(self, version: str = VERSION, status: str = "Online") -> dict[str, str]:
        mine = {"sessionId": self.session_id, "status": status, "runnerVersion": version}
        return {**mine, "os": "Linux", "architecture": "X64"}

    def acknowledge(self, request_id: str) -> requests.Response:
        return self.post(self.broker("acknowledge"), {"runnerRequestId": request_id}, params=self.query())

    def acquire(self, request_id: str) -> requests.Response:
        body = {"jobMessageId": request_id, "runnerOS": "Linux", "billingOwnerId": ""}
        return self.post(self.broker("").removesuffix("broker/") + "run/acquirejob", body)

    def take(self) -> TakenJob:
        """Waits for a job, acknowledges and acquires it."""
        request_id = request_of(self.poll())
        assert self.acknowledge(request_id).ok
        answer = self.acquire(request_id)
        assert answer.ok, answer.text
        return TakenJob(answer.json())

    def post(self, url: str, body: Any, **more: Any) -> requests.Response:
        return self.http.post(url, data=json.dumps(body), headers=JSON, timeout=10, **more)

    def broker(self, call: str) -> str:
        return f"{self.settings['serverurlv2']}{call}"


class TakenJob:
    """A job in its runner's hands: the Worker's calls, with the job's own token."""

    def __init__(self, message: dict[str, Any]) -> None:
        self.message = message
        endpoint = message["resources"]["endpoints"][0]
        self.connection = endpoint["data"]
        self.service = endpoint["url"]
        self.token = endpoint["authorization"]["parameters"]["AccessToken"]
        self.ids = {"planId": message["plan"]["planId"], "jobId": message["jobId"]}
        self.results = message["variables"]["system.github.results_endpoint"]["value"]
        self.launch = message["variables"]["system.github.launch_endpoint"]["value"]
        self.github_token = message["variables"]["system.github.token"]["value"]

    def renew(self, **other: str) -> requests.Response:
        return self.post(f"{self.service}renewjob", {**self.ids, **other})

    def complete(self, conclusion: str = "succeeded", **more: Any) -> requests.Response:
        whole = {"conclusion": conclusion, "outputs": {}, "stepResults": [], "annotations": []}
        return self.post(f"{self.service}completejob", {**self.ids, **whole, **more})

    def receive(self, call: str, **fields: Any) -> requests.Response:
        """A call of the results receiver."""
        ids = {
            "workflow_job_run_backend_id": self.ids["jobId"],
            "workflow_run_backend_id": self.ids["planId"],
        }
        return self.post(f"{self.results}twirp/results.services.receiver.Receiver/{call}", {**ids, **fields})

    def upload_log(self, text: str, step: str | None = None) -> None:
        """The job's log, or a step's."""
        what, ref = ("Step", {"step_backend_id": step}) if step else ("Job", {})
        url = self.receive(f"Get{what}LogsSignedBlobURL", **ref).json()["logs_url"]
        headers = {"Content-Type": "text/plain", "x-ms-blob-type": "BlockBlob"}
        assert requests.put(url, data=text.encode(), headers=headers, timeout=10).status_code == 201
        count = {"uploaded_at": TIME, "line_count": text.count("\n")}
        assert self.receive(f"Create{what}LogsMetadata", **ref, **count).json() == {"ok": True}

    def upload_summary(self, text: str, step: str) -> None:
        url = self.receive("GetStepSummarySignedBlobURL", step_backend_id=step).json()["summary_url"]
        headers = {"x-ms-blob-type": "BlockBlob"}
        assert requests.put(url, data=text.encode(), headers=headers, timeout=10).status_code == 201
        told = {"size": len(text.encode()), "uploaded_at": TIME}
        assert self.receive("CreateStepSummaryMetadata", step_backend_id=step, **told).json() == {"ok": True}

    def update_steps(self, *steps: dict[str, Any]) -> requests.Response:
        call = "twirp/github.actions.results.api.v1.WorkflowStepUpdateService/WorkflowStepsUpdate"
        body = {
            "steps": list(steps),
            "change_order": 1,
            "workflow_job_run_backend_id": self.ids["jobId"],
            "workflow_run_backend_id": self.ids["planId"],
        }
        return self.post(f"{self.results}{call}", body)

    def resolve(self, *references: str) -> requests.Response:
        """``OWNER/NAME@VERSION`` each."""
        asked = [reference.partition("@") for reference in references]
        body = {"actions": [{"action": name, "version": version, "path": ""} for name, _, version in asked]}
        path = f"actions/build/{self.ids['planId']}/jobs/{self.ids['jobId']}/runnerresolve/actions"
        return self.post(f"{self.launch}{path}", body)

    def post(self, url: str, body: Any) -> requests.Response:
        headers = {**JSON, "Authorization": f"Bearer {self.token}"}
        return requests.post(url, data=json.dumps(body), headers=headers, timeout=10)


def private_key(parameters: dict[str, str]) -> RSAPrivateKey:
    return key_from(tuple(sorted(parameters.items())))


@lru_cache  # checking a key takes longer than all else here
def key_from(parameters: tuple[tuple[str, str], ...]) -> RSAPrivateKey:
    numbers = {name: int.from_bytes(base64.b64decode(value), "big") for name, value in parameters}
    public = RSAPublicNumbers(numbers["exponent"], numbers["modulus"])
    return RSAPrivateNumbers(
        p=numbers["p"],
        q=numbers["q"],
        d=numbers["d"],
        dmp1=numbers["dp"],
        dmq1=numbers["dq"],
        iqmp=numbers["inverseQ"],
        public_numbers=public,
    ).private_key()


def public_key_xml(key: RSAPrivateKey) -> str:
    """As config.sh sends it."""
    numbers = key.public_key().public_numbers()
    modulus, exponent = (
        base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8)).decode() for number in (numbers.n, numbers.e)
    )
    return f"<RSAKeyValue><Modulus>{modulus}</Modulus><Exponent>{exponent}</Exponent></RSAKeyValue>"


def request_of(answer: requests.Response) -> str:
    message = answer.json()
    assert message["messageType"] == "RunnerJobRequest"
    return str(json.loads(message["body"])["runner_request_id"])


def rest(sandbox: Sandbox, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {sandbox.pat}"}
    return requests.request(method, sandbox.api_url + path, json=body, headers=headers, timeout=10)
