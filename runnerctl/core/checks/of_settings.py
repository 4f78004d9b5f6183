"""Settings by themselves: what they say, what of them is secret, who may ask by them, what a reload cannot change."""

from __future__ import annotations

from collections.abc import Iterator

from .. import listening
from ..domain.errors import ConfigInvalid
from ..settings import credentials, readable_secrets
from ..settings.workflow_policy import workflow_policy
from .finding import Finding, Level, Subject

_MAKE_ONE = "Set GITHUB_WFA_RUNNER_SERVER__API_TOKEN, for example to the output of: openssl rand -hex 32"


def settings(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    for warning in settings.warnings:
        yield Finding(Level.WARN, warning)
    subject.services.check_fitting()
    if settings.github.app_id and settings.github.pat:
        yield Finding(Level.WARN, "GITHUB_PAT is ignored because a GitHub App is set")
    source = f"env file {settings.env_file}" if settings.env_file else "no env file"
    yield Finding(Level.OK, f"{source[0].upper()}{source[1:]}")


def typed(subject: Subject) -> Iterator[Finding]:
    """What surprises whoever types commands here."""
    from ..settings.files import skipped_env_files

    settings = subject.services.settings
    for skipped in skipped_env_files(settings.env_file):
        yield Finding(Level.OK if settings.env_file else Level.WARN, skipped)
    if settings.remote is not None:
        yield Finding(Level.WARN, f"{settings.remote}: other commands refuse to run", "Unset the variable")


def persistent(subject: Subject) -> Iterator[Finding]:
    from ..engine.github_side.config_sh import unreachable

    if (why := unreachable(subject.services.settings)) is not None:
        by_default = not subject.services.settings.defaults.ephemeral
        yield Finding(Level.WARN if by_default else Level.OK, why)


def restart(subject: Subject) -> Iterator[Finding]:
    """What a server cannot change while it runs."""
    if subject.serving is None:
        return
    now, new = subject.serving.settings, subject.services.settings
    if new.state_dir != now.state_dir:
        raise ConfigInvalid(f"state_dir has changed to {str(new.state_dir)!r}", hint="Restart the server to change it")
    if (backend := subject.services.backend.name) != subject.serving.backend.name:
        raise ConfigInvalid(f"The backend has changed to {backend}", hint="Restart the server to change it")
    if now.server.tls_cert is not None and new.server.tls_cert is None:
        raise ConfigInvalid("No TLS certificate is set any more", hint="Restart the server to listen without TLS")
    if new.server.bind != now.server.bind:
        yield Finding(Level.WARN, f"server.bind has changed to {new.server.bind!r}: restart the server to listen there")
    if now.server.tls_cert is None and new.server.tls_cert is not None:
        yield Finding(Level.WARN, "A TLS certificate is set: restart the server to listen with TLS")


def secrets(subject: Subject) -> Iterator[Finding]:
    left = readable_secrets.world_readable_secret_files(subject.services.settings)
    for sentence in left:
        yield Finding(Level.FAIL, sentence)
    if not left:
        yield Finding(Level.OK, "No secret file is world-readable")


def github_credentials(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    credentials.check_github(settings)
    app = settings.github.app_id
    yield Finding(Level.OK, f"GitHub App {app} is set" if app else "A personal access token is set")


def listening_address(subject: Subject) -> Iterator[Finding]:
    settings = subject.services.settings
    address = subject.address or listening.parse(settings.server.bind)
    listening.check_address(settings, address)
    listening.tls(settings)
    listening.check_no_job_is_member(settings)
    yield Finding(Level.OK, f"serve listens at {address}")


def callers(subject: Subject) -> Iterator[Finding]:
    """Who may ask a server for runners."""
    token = credentials.api_token(subject.services.settings)
    policy = workflow_policy(subject.services.settings)
    if token is None and policy is None and not _has_api_tokens(subject):
        error = ConfigInvalid(
            "No API token is set: anybody could create runners",
            hint=_MAKE_ONE,
        )
        message = "No API token is set: `runnerctl serve` would refuse to start"
        yield Finding(Level.WARN, message, error.hint or "", error=error)
    elif policy is not None and not policy.rules:
        yield Finding(Level.WARN, "oidc.issuer is set without oidc.rules: no workflow is allowed")
    elif token is not None and (why := credentials.weakness(token)) is not None:
        error = ConfigInvalid(f"The API token {why}: anybody could guess it", hint=_MAKE_ONE)
        yield Finding(Level.FAIL, error.message, _MAKE_ONE, error=error)
    else:
        yield Finding(Level.OK, "serve requires a token")


def _has_api_tokens(subject: Subject) -> bool:
    there = subject.reads_state and (subject.services.settings.state_dir / "runnerctl.db").exists()
    return there and bool(subject.services.store.tokens())
