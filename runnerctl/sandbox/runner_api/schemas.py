"""The requests of actions/runner 2.336.0, field by field.

Sources: the records of the real runner (``tests/data/real_runner``), and for what they leave open its contracts:
``src/Sdk/RSWebApi/Contracts``, ``src/Sdk/WebApi/WebApi/Contracts.cs``, ``.../LaunchContracts.cs``,
``src/Sdk/DTWebApi/WebApi/TimelineRecordFeedLinesWrapper.cs``. A field with a default is one that the contract lets it
leave out, or that the sandbox can do without; ``shown`` names those of them that no record is without, which strict
mode asks for.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=0)]
TaskResult = Literal["succeeded", "succeededWithIssues", "failed", "canceled", "skipped", "abandoned"]
Time = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z$")]
NO_ID = UUID(int=0)


T = TypeVar("T")


def given_or(value: T | UnsetType, default: T) -> T:
    """The value, or ``default`` where nothing was said."""
    return default if isinstance(value, UnsetType) else value


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Fields by name; what is not here, the real runner does not send."""

    shown: ClassVar[frozenset[str]] = frozenset()

    def oddity(self) -> str | None:
        """What no record shows of it, for strict mode."""
        gone = sorted(name for name in self.shown if getattr(self, name) is UNSET)
        return f"{', '.join(gone)} of {type(self).__name__} is missing" if gone else None


class CamelShape(Shape, frozen=True, kw_only=True, rename="camel"):
    """The same, called on the wire as .NET calls them: ``osDescription``."""


# --- The token service ---


class TokenForm(Shape, frozen=True, kw_only=True):
    shown = frozenset({"grant_type", "client_assertion_type"})
    grant_type: Literal["client_credentials"] | UnsetType = UNSET
    client_assertion_type: Literal["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"] | UnsetType = UNSET
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
    shown = frozenset({"id", "name", "os_description", "ephemeral", "status", "provisioning_state"})
    id: int | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    version: Text
    os_description: Text | UnsetType = UNSET
    ephemeral: bool | UnsetType | None = UNSET
    status: int | UnsetType = UNSET
    provisioning_state: str | UnsetType | None = UNSET


class SessionRequest(CamelShape, frozen=True, kw_only=True):
    shown = frozenset({"session_id", "owner_name", "use_fips_encryption"})
    session_id: UUID | UnsetType = UNSET
    owner_name: Text | UnsetType = UNSET
    agent: Agent
    use_fips_encryption: bool | UnsetType = UNSET


class AcknowledgeQuery(CamelShape, frozen=True, kw_only=True):
    shown = frozenset({"os", "architecture"})
    session_id: UUID
    status: Literal["Online", "Busy"]
    runner_version: Text
    os: Literal["Linux"] | UnsetType = UNSET
    architecture: Literal["X64", "X86", "ARM", "ARM64"] | UnsetType = UNSET


class MessageQuery(AcknowledgeQuery, frozen=True, kw_only=True):
    shown = AcknowledgeQuery.shown | {"disable_update"}
    disable_update: Literal["true", "false"] | UnsetType = UNSET


class Acknowledgement(CamelShape, frozen=True, kw_only=True):
    runner_request_id: Text


# --- The run service ---


class Acquire(CamelShape, frozen=True, kw_only=True):
    shown = frozenset({"runner_os", "billing_owner_id"})
    job_message_id: Text
    runner_os: Literal["Linux"] | UnsetType = msgspec.field(default=UNSET, name="runnerOS")
    billing_owner_id: str | UnsetType = UNSET


class Renew(CamelShape, frozen=True, kw_only=True):
    plan_id: UUID
    job_id: UUID


class Variable(CamelShape, frozen=True, kw_only=True):
    value: str | None
    """Null by its contract; 2.336.0 leaves out what is empty (``JobExtension.cs``)."""
    is_secret: bool | UnsetType = UNSET

    def oddity(self) -> str | None:
        return "An output is null" if self.value is None else super().oddity()


class Annotation(CamelShape, frozen=True, kw_only=True):
    shown = frozenset({"level", "message"})
    level: Literal["notice", "warning", "failure"] | UnsetType = UNSET
    message: Text | UnsetType = UNSET
    title: str | UnsetType = UNSET
    raw_details: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    is_infrastructure_issue: bool | UnsetType = UNSET
    # Any number that a workflow command says, a negative one as well (``IssueExtensions.cs``).
    start_line: int | UnsetType = UNSET
    end_line: int | UnsetType = UNSET
    start_column: int | UnsetType = UNSET
    end_column: int | UnsetType = UNSET
    step_number: Count | UnsetType = UNSET


class StepResult(Shape, frozen=True, kw_only=True):
    shown = frozenset({"number", "started_at", "completed_at", "annotations"})
    external_id: UUID
    number: Count | UnsetType = UNSET
    name: Text
    status: Literal["pending", "inProgress", "completed", "delayed"]
    conclusion: TaskResult | None
    started_at: Time | UnsetType = UNSET
    completed_at: Time | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    action_name: str | UnsetType = UNSET
    ref: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    completed_log_url: str | UnsetType = UNSET
    completed_log_lines: Count | UnsetType = UNSET
    is_background: bool | UnsetType = UNSET
    background_control_type: str | UnsetType = UNSET
    background_control_step_ids: list[str] | UnsetType = UNSET

    def oddity(self) -> str | None:
        return "A step is delayed" if self.status == "delayed" else super().oddity()


class Telemetry(Shape, frozen=True, kw_only=True):
    shown = frozenset({"message", "type"})
    message: str | UnsetType = UNSET
    type: str | UnsetType = UNSET


class Complete(CamelShape, frozen=True, kw_only=True):
    shown = frozenset({"annotations"})
    plan_id: UUID
    job_id: UUID
    conclusion: TaskResult
    annotations: list[Annotation] | UnsetType = UNSET
    outputs: dict[str, Variable] | UnsetType = UNSET
    """Left out, with ``stepResults``, by a Listener whose Worker has died."""
    step_results: list[StepResult] | UnsetType = UNSET
    telemetry: list[Telemetry] | UnsetType = UNSET
    environment_url: str | UnsetType = UNSET
    billing_owner_id: str | UnsetType = UNSET
    infrastructure_failure_category: str | UnsetType = UNSET

    def oddity(self) -> str | None:
        if (self.outputs is UNSET) != (self.step_results is UNSET):
            return "A Worker sends 'outputs' and 'stepResults', a Listener neither"
        if self.conclusion not in ("succeeded", "failed", "canceled"):
            return f"A job's conclusion is {self.conclusion!r}"
        return super().oddity()


# --- The results service ---


class JobRef(Shape, frozen=True, kw_only=True):
    workflow_job_run_backend_id: UUID
    workflow_run_backend_id: UUID


class StepRef(JobRef, frozen=True, kw_only=True):
    step_backend_id: UUID


class JobLogsMetadata(JobRef, frozen=True, kw_only=True):
    shown = frozenset({"uploaded_at", "line_count"})
    uploaded_at: Time | UnsetType = UNSET
    line_count: Count | UnsetType = UNSET


class StepLogsMetadata(StepRef, frozen=True, kw_only=True):
    shown = frozenset({"uploaded_at", "line_count"})
    uploaded_at: Time | UnsetType = UNSET
    line_count: Count | UnsetType = UNSET


class SummaryMetadata(StepRef, frozen=True, kw_only=True):
    shown = frozenset({"uploaded_at", "size"})
    uploaded_at: Time | UnsetType = UNSET
    size: Count | UnsetType = UNSET


class StepUpdate(Shape, frozen=True, kw_only=True):
    shown = frozenset({"started_at", "completed_at"})
    external_id: UUID
    number: Count
    name: Text
    status: Literal[0, 3, 5, 6]
    started_at: Time | UnsetType | None = UNSET
    completed_at: Time | UnsetType | None = UNSET
    conclusion: Literal[0, 2, 3, 4, 7]
    is_background: bool | UnsetType = UNSET
    background_control_type: str | UnsetType = UNSET
    background_control_step_ids: list[str] | UnsetType = UNSET
    parallel_group_id: str | UnsetType = UNSET


class StepsUpdate(JobRef, frozen=True, kw_only=True):
    shown = frozenset({"change_order"})
    steps: list[StepUpdate]
    change_order: Count | UnsetType = UNSET


class FeedLines(CamelShape, frozen=True, kw_only=True):
    """One message of the live feed."""

    shown = frozenset({"count"})
    value: list[str]
    step_id: UUID
    count: Count | UnsetType = UNSET
    start_line: Count | UnsetType = UNSET

    def oddity(self) -> str | None:
        if self.count is not UNSET and self.count != len(self.value):
            return f"'count' is {self.count}, but there are {len(self.value)} lines"
        return super().oddity()


# --- Actions ---


class ActionReference(Shape, frozen=True, kw_only=True):
    shown = frozenset({"path"})
    action: Text
    version: Text
    path: str | UnsetType = UNSET


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
    shown = frozenset({"id", "type"})
    id: int | UnsetType = UNSET
    name: Text
    type: Literal["user", "system"] | UnsetType = UNSET


class Register(Shape, frozen=True, kw_only=True):
    shown = frozenset({"version", "updates_disabled", "ephemeral"})
    url: Text
    group_id: int
    name: Text
    version: Text | UnsetType = UNSET
    updates_disabled: bool | UnsetType = UNSET
    ephemeral: bool | UnsetType = UNSET
    labels: Annotated[list[LabelObject], Meta(min_length=1, max_length=100)]
    public_key: Text
    runner_id: int | UnsetType = UNSET
    """With ``replace``: the registration whose place it takes."""
    replace: bool | UnsetType = UNSET
