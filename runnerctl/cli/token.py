"""``runnerctl token``."""

from __future__ import annotations

import click

from runnerctl.core import ApiToken, Right, Services, TokenLimits, issuing, token_document

from . import render, runners
from .auditing import audited
from .options import LABELS, TOKEN, CliContext, Verb, duration, pass_cli


@click.group("token", no_args_is_help=False, short_help="Create, list, rotate and revoke API tokens")
def command() -> None:
    """Create, list, rotate and revoke API tokens for `runnerctl serve`.

    Use them to give a team or a program its own access: a token names a tenant, which repositories and labels the
    tenant's runners may have, and until when it is valid. A token sees the runners of its own tenant only.
    """


@command.command(
    "create",
    cls=Verb,
    exits={6: "a token of that name is valid already"},
    see=("serve", "audit"),
    epilog="""\b
Examples:
  runnerctl token create web --repo 'octo-org/web-*' --labels linux,x64 --max-runners 4
  runnerctl token create watcher --scope runners:read --every-tenant --expires 365d
  TOKEN=$(runnerctl token create web --repo octo-org/web)""",
)
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([str(right) for right in Right]),
    multiple=True,
    metavar="SCOPE",
    help="Allow this; may be repeated.  [default: runners:read, runners:write, logs:read]",
)
@click.option("--tenant", metavar="TENANT", help="See and make runners of this tenant.  [default: NAME]")
@click.option("--every-tenant", is_flag=True, help="See the runners of all tenants.")
@click.option(
    "--repo",
    "repos",
    metavar="PATTERN",
    multiple=True,
    help="Allow these repositories, such as 'octo-org/*'; may be repeated.",
)
@click.option("--org", "orgs", metavar="PATTERN", multiple=True, help="Allow these organizations; may be repeated.")
@click.option(
    "--labels",
    type=LABELS,
    metavar="A,B",
    help="Allow these labels; patterns are allowed.  [default: the setting defaults.labels]",
)
@click.option("--max-runners", type=click.IntRange(min=1), metavar="N", help="Allow the tenant N runners at once.")
@click.option("--persistent", is_flag=True, help="Also allow persistent runners.")
@click.option("--public-repositories", is_flag=True, help="Also allow public repositories.")
@click.option("--name-pattern", metavar="PATTERN", help="Allow runner names that match.  [default: TENANT-*]")
@click.option(
    "--expires", type=duration, default="90d", metavar="DURATION", help="Valid for this long.  [default: 90d]"
)
@pass_cli
def create(
    cli: CliContext,
    *,
    name: str,
    scopes: tuple[str, ...],
    tenant: str | None,
    every_tenant: bool,
    repos: tuple[str, ...],
    orgs: tuple[str, ...],
    labels: str | None,
    max_runners: int | None,
    persistent: bool,
    public_repositories: bool,
    name_pattern: str | None,
    expires: float,
) -> None:
    """Create token NAME and print it, once: only its digest is stored."""
    if tenant is not None and every_tenant:
        raise click.UsageError("--tenant and --every-tenant exclude each other")
    services = cli.services()
    audited(services, "token.create", [name])
    whose = None if every_tenant else tenant or name
    limits = TokenLimits(
        tenant=whose,
        repositories=repos,
        organizations=orgs,
        labels=tuple((labels if labels is not None else services.settings.defaults.labels).split(",")),
        max_runners=max_runners,
        persistent=persistent,
        public_repositories=public_repositories,
        name_pattern=name_pattern or ("*" if whose is None else f"{whose}-*"),
    )
    usual = (Right.RUNNERS_READ, Right.RUNNERS_WRITE, Right.LOGS_READ)
    made, token = issuing.issue(services, name, rights=tuple(map(Right, scopes)) or usual, limits=limits, life=expires)
    _disclose(cli, services, made, token)


@command.command(
    "list",
    cls=Verb,
    epilog="""\b
Example:
  runnerctl token list --all""",
)
@click.option("--all", "every", is_flag=True, help="Also list tokens that are revoked or expired.")
@pass_cli
def list_(cli: CliContext, every: bool) -> None:
    """List the tokens with their tenants, limits and expiry. The secrets themselves are not stored."""
    services = cli.services_for_reading()
    found = services.store.tokens(every=every)
    now = services.clock.now()
    if not found:
        render.talk(cli, "There are no tokens")
    documents = [token_document(token, now=now) for token in found]
    render.items(cli, documents, lambda: [_row(token, now) for token in found], key="name")


@command.command(
    "rotate",
    cls=Verb,
    epilog="""\b
Example:
  runnerctl token rotate web --grace 1h""",
)
@click.argument("name", type=TOKEN)
@click.option(
    "--grace",
    type=duration,
    default="0",
    metavar="DURATION",
    help="Keep the old token valid for this long.  [default: 0]",
)
@click.option(
    "--expires", type=duration, metavar="DURATION", help="Valid for this long.  [default: as long as the old one]"
)
@pass_cli
def rotate(cli: CliContext, name: str, grace: float, expires: float | None) -> None:
    """Replace token NAME by a new one with the same rights and limits, and print the new one, once."""
    services = cli.services()
    audited(services, "token.rotate", [name])
    made, token = issuing.rotate(services, name, life=expires, grace=grace)
    _disclose(cli, services, made, token)


@command.command(
    "revoke",
    cls=Verb,
    epilog="""\b
Example:
  runnerctl token revoke web""",
)
@click.argument("name", type=TOKEN)
@pass_cli
def revoke(cli: CliContext, name: str) -> None:
    """Revoke token NAME, or the token with that id. Servers refuse it at once; its runners stay."""
    services = cli.services()
    audited(services, "token.revoke", [name])
    revoked = issuing.revoke(services, name)
    now = services.clock.now()
    render.talk(cli, f"Revoked token {revoked.name!r}")
    render.item(cli, token_document(revoked, now=now), _row(revoked, now), key="name")


def _disclose(cli: CliContext, services: Services, made: ApiToken, token: str) -> None:
    now = services.clock.now()
    render.disclosed(cli, token_document(made, now=now), "token", token)
    render.talk(cli, f"This is token {made.name!r}; it cannot be shown again")


def _row(token: ApiToken, now: float) -> render.Row:
    limits = token.limits
    return {
        "NAME": token.name,
        "ID": token.id,
        "STATUS": token.refusal(now) or "active",
        "TENANT": limits.tenant or "(all)",
        "SCOPES": token.rights,
        "FOR": limits.repositories + limits.organizations,
        "EXPIRES": f"in {runners.age(token.expires_at - now)}" if token.expires_at > now else "expired",
        "USED": None if token.last_used_at is None else f"{runners.age(now - token.last_used_at)} ago",
    }
