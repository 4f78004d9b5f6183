"""The requests of actions/runner 2.336.0, field by field.

Sources: the records of the real runner (``tests/data/real_runner``), and for what they leave open its contracts:
``src/Sdk/RSWebApi/Contracts``, ``src/Sdk/WebApi/WebApi/Contracts.cs``, ``.../LaunchContracts.cs``,
``src/Sdk/DTWebApi/WebApi/TimelineRecordFeedLinesWrapper.cs``. A field with a default is one that it leaves out
when it has nothing to say.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$")]
NO_ID = UUID(int=0)


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Fields by name; what is not here, the real runner does not send."""


class CamelShape(Shape, frozen=True, kw_only=True, rename="camel"):
    """The same, called on the wire as .NET calls them: ``osDescription``."""


# --- The token service ---


class TokenForm(Shape, frozen=True, kw_only=True):
    grant_type: Literal["client_credentials"]
    client_assertion_type: Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    client_assertion: Text


class AssertionHeader(Shape, frozen=True, kw_only=True):
    typ: Literal["JWT"]
    alg: Literal["PS256", "RS256"]


class AssertionClaims(Shape, frozen=True, kw_only=True):
    sub: Text
    jti: UUID
    iss: Text
    aud: Text
    nbf: int
    exp: int


# --- The broker ---


class Agent(CamelShape, frozen=True, kw_only=True):
    id: int
    name: Text
    version: Text
    os_description: Text
    ephemeral: bool | None
    status: int
    provisioning_state: str | None


class SessionRequest(CamelShape, frozen=True, kw_only=True):
    session_id: UUID
    owner_name: Text
    agent: Agent
    use_fips_encryption: bool


class AcknowledgeQuery(CamelShape, frozen=True, kw_only=True):
    session_id: UUID
    status: Literal["Online", "Busy"]
    runner_version: Text
    os: Literal["Linux"]
    architecture: Literal["X64", "X86", "ARM", "ARM64"]


class MessageQuery(AcknowledgeQuery, frozen=True, kw_only=True):
    disable_update: Literal["true", "false"]


class Acknowledgement(CamelShape, frozen=True, kw_only=True):
    runner_request_id: Text


# --- The run service ---


class Acquire(CamelShape, frozen=True, kw_only=True):
    job_message_id: Text
    runner_os: Literal["Linux"] = msgspec.field(name="runnerOS")
    billing_owner_id: str


class Renew(CamelShape, frozen=True, kw_only=True):
    plan_id: UUID
    job_id: UUID


class Variable(CamelShape, frozen=True, kw_only=True):
    value: str
    is_secret: bool | UnsetType = UNSET


class Annotation(CamelShape, frozen=True, kw_only=True):
    level: Literal["notice", "warning", "failure"]
    message: Text
    title: str | UnsetType = UNSET
    raw_details: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    is_infrastructure_issue: bool | UnsetType = UNSET
    start_line: Count | UnsetType = UNSET
    end_line: Count | UnsetType = UNSET
    start_column: Count | UnsetType = UNSET
    end_column: Count | UnsetType = UNSET
    step_number: Count | UnsetType = UNSET


class StepResult(Shape, frozen=True, kw_only=True):
    external_id: UUID
    number: Count
    name: Text
    status: Literal["pending", "inProgress", "completed"]
    conclusion: Literal["succeeded", "succeededWithIssues", "failed", "canceled", "skipped", "abandoned"] | None
    started_at: Time
    completed_at: Time
    annotations: list[Annotation]
    action_name: str | UnsetType = UNSET
    ref: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    completed_log_url: str | UnsetType = UNSET
    completed_log_lines: Count | UnsetType = UNSET
    is_background: bool | UnsetType = UNSET
    background_control_type: str | UnsetType = UNSET
    background_control_step_ids: list[str] | UnsetType = UNSET


class Telemetry(Shape, frozen=True, kw_only=True):
    message: str
    type: str


class Complete(CamelShape, frozen=True, kw_only=True):
    plan_id: UUID
    job_id: UUID
    conclusion: Literal["succeeded", "failed", "canceled"]
    annotations: list[Annotation]
    outputs: dict[str, Variable] | UnsetType = UNSET
    """Left out, with ``stepResults``, by a Listener whose Worker has died."""
    step_results: list[StepResult] | UnsetType = UNSET
    telemetry: list[Telemetry] | UnsetType = UNSET
    environment_url: str | UnsetType = UNSET
    billing_owner_id: str | UnsetType = UNSET
    infrastructure_failure_category: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.outputs is UNSET) != (self.step_results is UNSET):
            raise ValueError("A Worker sends 'outputs' and 'stepResults', a Listener neither")


# --- The results service ---


class JobRef(Shape, frozen=True, kw_only=True):
    workflow_job_run_backend_id: UUID
    workflow_run_backend_id: UUID


class StepRef(JobRef, frozen=True, kw_only=True):
    step_backend_id: UUID


class JobLogsMetadata(JobRef, frozen=True, kw_only=True):
    uploaded_at: Time
    line_count: Count


class StepLogsMetadata(StepRef, frozen=True, kw_only=True):
    uploaded_at: Time
    line_count: Count


class SummaryMetadata(StepRef, frozen=True, kw_only=True):
    uploaded_at: Time
    size: Count


class StepUpdate(Shape, frozen=True, kw_only=True):
    external_id: UUID
    number: Count
    name: Text
    status: Literal[0, 3, 5, 6]
    started_at: Time | None
    completed_at: Time | None
    conclusion: Literal[0, 2, 3, 4, 7]
    is_background: bool | UnsetType = UNSET
    background_control_type: str | UnsetType = UNSET
    background_control_step_ids: list[str] | UnsetType = UNSET
    parallel_group_id: str | UnsetType = UNSET


class StepsUpdate(JobRef, frozen=True, kw_only=True):
    steps: list[StepUpdate]
    change_order: Count


class FeedLines(CamelShape, frozen=True, kw_only=True):
    """One message of the live feed."""

    value: list[str]
    step_id: UUID
    count: Count
    start_line: Count | UnsetType = UNSET

    def __post_init__(self) -> None:
        if self.count != len(self.value):
            raise ValueError(f"'count' is {self.count}, but there are {len(self.value)} lines")


# --- Actions ---


class ActionReference(Shape, frozen=True, kw_only=True):
    action: Text
    version: Text
    path: str


class ResolveActions(Shape, frozen=True, kw_only=True):
    actions: list[ActionReference]
    actions_dependencies: list[str] | UnsetType = UNSET


# --- config.sh ---


class NoFields(Shape, frozen=True, kw_only=True):
    """Nothing at all."""


class RunnersByName(Shape, frozen=True, kw_only=True):
    name: Text


class RegistrationEvent(Shape, frozen=True, kw_only=True):
    url: Text
    runner_event: Literal["register", "remove"]


class LabelObject(Shape, frozen=True, kw_only=True):
    id: int
    name: Text
    type: Literal["user", "system"]


class Register(Shape, frozen=True, kw_only=True):
    url: Text
    group_id: int
    name: Text
    version: Text
    updates_disabled: bool
    ephemeral: bool
    labels: Annotated[list[LabelObject], Meta(min_length=1, max_length=100)]
    public_key: Text
    runner_id: int | UnsetType = UNSET
    """With ``replace``: the registration whose place it takes."""
    replace: bool | UnsetType = UNSET
