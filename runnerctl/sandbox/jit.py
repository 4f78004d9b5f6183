"""The JIT configuration: three files of a runner's identity in one base64 string."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from . import keys
from .values import Runner


@dataclass(frozen=True, kw_only=True)
class RunnerUrls:
    """Where a runner goes once it has its identity."""

    authorization: str
    broker: str
    """Ends in a slash."""
    service: str
    """Ends in a slash."""

    @classmethod
    def below(cls, server_url: str) -> RunnerUrls:
        return cls(
            authorization=f"{server_url}/sandbox/oauth/token",
            broker=f"{server_url}/sandbox/broker/",
            service=f"{server_url}/sandbox/run/",
        )


def encode(runner: Runner, *, group: str, work_folder: str, urls: RunnerUrls, key: RSAPrivateKey) -> str:
    """``encoded_jit_config``. As at GitHub all numbers and booleans in it are strings."""
    settings = {
        "AgentId": str(runner.id),
        "AgentName": runner.name,
        "PoolId": str(runner.group_id),
        "PoolName": group,
        "ServerUrlV2": urls.broker,
        "UseV2Flow": "true",
        "Ephemeral": "True",
        "DisableUpdate": "True",
        "WorkFolder": work_folder,
        "GitHubUrl": "",
    }
    credentials = {
        "Scheme": "OAuth",
        "Data": {
            "ClientId": runner.client_id,
            "AuthorizationUrl": urls.authorization,
            "RequireFipsCryptography": "True",
        },
    }
    files = {
        ".runner": settings,
        ".credentials": credentials,
        ".credentials_rsaparams": keys.to_rsa_parameters(key),
    }
    return _base64({name: _base64(content) for name, content in files.items()})


def _base64(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()
