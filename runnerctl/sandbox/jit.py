"""The JIT configuration: three files of a runner's identity in one base64 string."""

from __future__ import annotations

import base64
import json

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from . import keys
from .runner_urls import RunnerUrls
from .values import Runner


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
            "RequireFipsCryptography": str(runner.fips),
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
