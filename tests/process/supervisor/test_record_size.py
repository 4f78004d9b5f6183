"""A record holds words of jobs. However many and long they are, it can be read by all who decide by it."""

from __future__ import annotations

import json

import pytest

from runnerctl.core.backends.records import Records
from tests.support.hosts.supervised import until

pytest_plugins = ("tests.support.breaking.orphans",)

JOBS = 17
LONG = "\N{PILE OF POO}" * 1000


@pytest.mark.parametrize("words", [LONG, "\x01" * 4000, '"' * 4000], ids=["wide", "controls", "quotes"])
def test_jobs_with_the_longest_words_hide_no_runner(orphan, words):
    """Who cannot read it takes the runner for one that has no processes: and starts, stops or deletes it as such."""
    it = orphan().started()
    it.phase("listening")
    for number in range(JOBS):
        name = f"{number}{words[:255]}"
        it.order(f"say('Running job: ' + {name!r}); w = worker()")
        it.phase("busy")
        lines = (f"{key}={words[:200]}\n" for key in ("repository", "run_id", "run_attempt", "workflow"))
        (it.root / ".job").write_text("".join(lines), encoding="utf-8")
        it.order(f"end(w); say('Job ' + {name!r} + ' completed with result: Succeeded')")
        until(lambda number=number: it.record["jobs_run"] == number + 1 and it.record["job"] is None)
    seen = Records(str(it.run_dir.parent)).read(it.life)
    assert seen is not None
    assert seen.jobs_run == JOBS
    assert seen.jobs[-1].name.startswith(str(JOBS - 1))
    assert it.backend.observe(it.handle).running
    it.loses_its_supervisor()
    assert json.loads(it.adopt().stdout).get("error") is None
    assert it.record["jobs_run"] == JOBS
