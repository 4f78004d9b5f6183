"""A server under attack, and whether it endured."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from runnerctl.sandbox import Fault, Sandbox

from .priority import FIRST, LAST, started
from .server import REFUSED, Target, target
from .tenant import Work

HEALTH_SECONDS, STATUS_SECONDS, MEMORY_MB = 0.1, 0.2, 250
REFUSED_CALLS = 25
"""What creates that come to nothing may cost at GitHub, whose 5,000 calls an hour are everybody's: 12 that are on their
way before one of them has failed, and then fewer and fewer.
"""
STRANGERS_A_SECOND = 6.0
"""How often six who wait for their answers are refused for want of a token: each waits 2 s, after its first few."""


@dataclass(kw_only=True)
class Figures:
    """Of one run."""

    work: Work
    attacks: dict[str, float]
    """A second."""
    memory: int
    cpu: float
    """Of one processor, which the server took."""
    missing: int
    """Granted acts that the audit log does not hold."""
    refused_calls: int
    """Of GitHub, for creates that came to nothing."""

    def wrong(self, slack: float) -> list[str]:
        """What was not as it is to be."""
        failed = self.work.failed
        wrong = [f"{len(failed)} requests failed, such as {failed[0]}"] if failed else []
        wrong += [f"{self.missing} granted acts are not in the audit log"] if self.missing else []
        seen = {"p99 of /health": p99(self.work.health), "p99 of a status": p99(self.work.statuses)}
        most = {"p99 of /health": HEALTH_SECONDS * slack, "p99 of a status": STATUS_SECONDS * slack}
        wrong += [f"{name}: {seen[name]:.3g} s > {limit:g} s" for name, limit in most.items() if seen[name] > limit]
        strangers = self.attacks.get("C3 paths", 0.0) + self.attacks.get("C9 long paths", 0.0)
        if strangers > STRANGERS_A_SECOND:
            wrong.append(f"strangers were refused {strangers:.1f} times a second > {STRANGERS_A_SECOND:g}")
        if self.refused_calls > REFUSED_CALLS:
            wrong.append(f"failing creates: {self.refused_calls} calls of GitHub > {REFUSED_CALLS}")
        return wrong + ([f"memory: {self.memory} MB > {MEMORY_MB} MB"] if self.memory > MEMORY_MB else [])

    def table(self) -> str:
        work = self.work
        times = {"/health": work.health, "status": work.statuses, "create": work.creates}
        lines = [f"attacks a second: {self.attacks}"]
        lines += [f"{name}: median {p(50, each):.3f} s, p99 {p99(each):.3f} s" for name, each in times.items()]
        lines += [f"{len(work.granted)} granted acts, {self.missing} of them not in the audit log"]
        lines += [f"{self.refused_calls} calls of GitHub for creates that came to nothing"]
        lines += [f"{self.memory} MB, {self.cpu:.2f} of a processor; {len(work.failed)} failed: {work.failed[:3]}"]
        return "\n".join(lines)


def p(percent: int, seconds: list[float]) -> float:
    return sorted(seconds)[max(0, len(seconds) * percent // 100 - 1)] if seconds else 0.0


def p99(seconds: list[float]) -> float:
    return p(99, seconds)


def endured(seconds: float, runners: int, *, limits: bool = True) -> Figures:
    """So many runners of the tenant that works, evenly over that time."""
    with (
        tempfile.TemporaryDirectory(prefix="runnerctl-hostile-") as top,
        Sandbox() as sandbox,
        target(Path(top), sandbox.environment(), limits=limits) as attacked,
    ):
        sandbox.add_fault(Fault(match=f"{REFUSED}/actions/runners/generate-jitconfig", status=422, times=None))
        cpu = attacked.cpu_seconds()
        attacking = [_begun("attacks", attacked, kind, seconds, nice=LAST) for kind in ("patient", "hasty")]
        working = _begun("tenant", attacked, seconds, runners, nice=FIRST)
        work = Work(**json.loads(_end(working, seconds)))
        done = [count for each in attacking for count in json.loads(_end(each, seconds)).items()]
        return Figures(
            work=work,
            attacks={name: round(times / seconds, 1) for name, times in done},
            memory=attacked.memory(),
            cpu=(attacked.cpu_seconds() - cpu) / seconds,
            missing=_missing(attacked, work),
            refused_calls=sum(REFUSED in call.path for call in sandbox.calls),
        )


def _begun(name: str, attacked: Target, *given: object, nice: int) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", f"benchmarks.hostile.{name}", *map(str, given)]
    process = started(argv, nice=nice, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(json.dumps({"port": attacked.port, "tokens": attacked.tokens}))
    process.stdin.close()
    return process


def _end(process: subprocess.Popen[str], seconds: float) -> str:
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.read()
    process.wait(timeout=seconds + 60)
    return said


def _missing(attacked: Target, work: Work) -> int:
    entries = [json.loads(line) for line in (attacked.top / "state" / "audit.log").read_text().splitlines()]
    told = {(each["action"], each["object"]) for each in entries if each["result"] == "ok"}
    return len({(action, name) for action, name in work.granted} - told)
