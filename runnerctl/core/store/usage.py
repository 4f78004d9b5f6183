"""Sums over the jobs that ran here."""

from __future__ import annotations

from ..domain.usage import Usage, UsageBy, UsageQuery, UsageReport
from .connection import Database

_GROUPS = {
    # A job says where it is from; a repository's runner has jobs of that alone, whatever they say.
    UsageBy.REPO: "lower(iif(instr(runner.scope, '/') > 0, runner.scope, coalesce(job.repository, runner.scope)))",
    UsageBy.TENANT: "runner.tenant",
}
_SUMS = """
    count(*) AS jobs,
    sum(job.ended_at IS NULL) AS running,
    sum(coalesce(job.result IN ('succeeded', 'skipped'), 0)) AS succeeded,
    sum(coalesce(job.result = 'failed', 0)) AS failed,
    sum(coalesce(job.result IN ('cancelled', 'abandoned'), 0)) AS cancelled,
    sum(max(0.0, coalesce(job.ended_at - job.started_at, 0.0))) AS seconds
"""


class Usages(Database):
    """Part of the store."""

    def usage(self, query: UsageQuery) -> UsageReport:
        """Of one moment."""
        conditions = {
            "job.started_at >= ?": query.since,
            "job.started_at < ?": query.until,
            "runner.tenant = ?": query.tenant,
        }
        asked = {condition: value for condition, value in conditions.items() if value is not None}
        groups = (
            f"SELECT {_GROUPS[query.by]} AS of, {_SUMS} FROM job JOIN runner ON runner.id = job.runner_id"
            f" WHERE {' AND '.join(asked) or '1'} GROUP BY 1"
        )
        found = self._read(f"{groups} ORDER BY seconds DESC, jobs DESC, of", *asked.values())
        every = [Usage(*row) for row in found]
        return UsageReport(every[: query.limit], _total(every), max(0, len(every) - query.limit))


def _total(every: list[Usage]) -> Usage:
    return Usage(
        None,
        jobs=sum(each.jobs for each in every),
        running=sum(each.running for each in every),
        succeeded=sum(each.succeeded for each in every),
        failed=sum(each.failed for each in every),
        cancelled=sum(each.cancelled for each in every),
        seconds=sum(each.seconds for each in every),
    )
