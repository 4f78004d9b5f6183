"""What ``acquirejob`` answers: an AgentJobRequestMessage, as the real runner's Worker takes it.

Its form is the record ``a-job`` of the real runner, which ran jobs from it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..runner_urls import RunnerUrls
from ..values import Job
from .steps import step_message
from .typed_values import context, mapping

_NO_TIME = "0001-01-01T00:00:00"
_READ = {"Contents": "read", "Metadata": "read"}


@dataclass(frozen=True, kw_only=True)
class JobAccess:
    """What a job is given to speak for itself."""

    token: str
    """For the run service, the results, the feed and ID tokens."""
    github_token: str
    """For GitHub's REST API and for the archives of actions."""


def job_message(job: Job, *, group: str, urls: RunnerUrls, access: JobAccess) -> dict[str, Any]:
    plan_id = job.request_id
    return {
        "messageType": "RunnerJobRequest",
        "plan": {
            "scopeIdentifier": str(uuid.uuid4()),
            "planType": "free",
            "version": 0,
            "planId": plan_id,
            "planGroup": "",
            "artifactUri": None,
            "artifactLocation": None,
            "definition": None,
            "owner": None,
        },
        "timeline": {"id": plan_id, "changeId": 0, "location": None},
        "jobId": job.guid,
        "jobDisplayName": job.name,
        "jobName": "__default",
        "requestId": 0,
        "lockedUntil": _NO_TIME,
        "resources": _resources(job, urls, access),
        "contextData": _contexts(job, urls),
        "variables": _variables(job, group, urls, access),
        "mask": [{"type": "regex", "value": access.github_token}],
        "environmentVariables": [mapping(job.env)] if job.env else [],
        "fileTable": [".github/workflows/ci.yml"],
        "defaults": [],
        "workspace": None,
        "jobContainer": None,
        "jobServiceContainers": None,
        "jobOutputs": None,
        "steps": [step_message(step, number) for number, step in enumerate(job.steps)],
    }


def asks_for_id_tokens(job: Job) -> bool:
    """GitHub's rule: only with ``permissions: id-token: write`` in the workflow."""
    return job.permissions.get("id-token") == "write"


def _resources(job: Job, urls: RunnerUrls, access: JobAccess) -> dict[str, Any]:
    connection = {
        "name": "SystemVssConnection",
        "url": urls.service,
        "authorization": {"scheme": "OAuth", "parameters": {"AccessToken": access.token}},
        "data": _connection_data(job, urls),
        "isShared": False,
        "isReady": True,
    }
    repository = {
        "alias": "self",
        "id": str(job.repository),
        "type": "GitHub",
        "url": f"{urls.server}/{job.repository}",
        "version": job.sha,
        "properties": {},
    }
    return {"endpoints": [connection], "repositories": [repository], "containers": []}


def _connection_data(job: Job, urls: RunnerUrls) -> dict[str, str]:
    data = {
        "ServerId": "",
        "ServerName": "",
        "ResultsServiceUrl": urls.results,
        "PipelinesServiceUrl": urls.pipelines,
        "CacheServerUrl": urls.cache,
        "FeedStreamUrl": urls.feed,
    }
    return {**data, "GenerateIdTokenUrl": urls.id_token} if asks_for_id_tokens(job) else data


def _contexts(job: Job, urls: RunnerUrls) -> dict[str, Any]:
    strategy = {"fail-fast": True, "job-index": 0, "job-total": 1, "max-parallel": 1}
    return {
        "github": context(_github(job, urls)),
        "strategy": context(strategy),
        "matrix": None,
        "needs": context({}),
        "vars": context({}),
        "inputs": None,
    }


def _github(job: Job, urls: RunnerUrls) -> Mapping[str, Any]:
    return {
        "repository": str(job.repository),
        "repository_owner": job.repository.owner,
        "repositoryUrl": f"git://github.com/{job.repository}.git",
        "run_id": str(job.run_id),
        "run_number": "1",
        "run_attempt": "1",
        "workflow": job.workflow,
        "sha": job.sha,
        "ref": job.ref,
        "ref_name": job.ref.removeprefix("refs/heads/"),
        "ref_type": "branch",
        "head_ref": "",
        "base_ref": "",
        "event_name": job.event_name,
        "event": job.event,
        "actor": job.actor,
        "triggering_actor": job.actor,
        "server_url": urls.server,
        "api_url": f"{urls.server}/api/v3",
        "graphql_url": f"{urls.server}/api/graphql",
        "workflow_ref": job.workflow_ref,
        "workflow_sha": job.sha,
        "retention_days": "90",
        "secret_source": "Actions",
    }


def _variables(job: Job, group: str, urls: RunnerUrls, access: JobAccess) -> dict[str, Any]:
    secret = {"value": access.github_token, "isSecret": True}
    plain = {
        "system.github.results_endpoint": urls.results,
        "system.github.launch_endpoint": f"{urls.server}/",
        "system.orchestrationId": job.orchestration_id,
        "system.runnerGroupName": group,
        "system.runnerEnvironment": "self-hosted",
        "system.phaseDisplayName": job.name,
        "system.github.token.permissions": json.dumps(_READ),
        "DistributedTask.AllowRunnerContainerHooks": "true",
        "DistributedTask.EnhancedAnnotations": "true",
        "actions_uses_cache_service_v2": "true",
        # Without it the runner does not read why an action cannot be resolved (``ActionManager.cs``).
        "actions_display_helpful_actions_download_errors": "true",
    }
    return {
        "system.github.job": {"value": job.name},
        "system.github.token": secret,
        "github_token": secret,
        **{name: {"value": value} for name, value in plain.items()},
    }
