"""Looks for known vulnerabilities in what is installed beside it: PYTHON .ci/audit.py [OPTION OF pip-audit ...].

Fails for one that is found, and for nothing else: where advisories cannot be had, it says so and goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

_SECONDS = 180


def main(options: list[str]) -> int:
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory, "report.json")
        failure = _ask(report, options)
        # pip-audit exits with 1 both for a finding and for want of an answer; only with answers it writes a report.
        if not report.exists():
            return _not_audited(failure)
        return _judge(json.loads(report.read_text())["dependencies"])


def _ask(report: Path, options: list[str]) -> str:
    """Has the report written, or tells why there is none."""
    packages = sysconfig.get_path("purelib")
    usual = ["--skip-editable", "--progress-spinner", "off", "--timeout", "10", "--format", "json"]
    argv = [sys.executable, "-m", "pip_audit", "--path", packages, *usual, "--output", str(report), *options]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer in {_SECONDS} s"
    return (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]


def _judge(dependencies: list[dict[str, Any]]) -> int:
    asked = [each for each in dependencies if "vulns" in each]
    # An index without advisories answers 404: pip-audit passes over what it does not find, and calls that no finding.
    if not asked:
        return _not_audited("none of the packages is known there")
    lines = [line for each in asked for line in _lines(each)]
    passed_over = [each for each in dependencies if "vulns" not in each]
    unknown = [each["name"] for each in passed_over if "editable" not in each["skip_reason"]]  # that is ourselves
    print(*lines, f"{len(asked)} packages audited, {len(lines)} known vulnerabilities", sep="\n")
    if unknown:
        print(f"NOT AUDITED, as nothing is known of them: {', '.join(unknown)}")
    return 1 if lines else 0


def _lines(dependency: dict[str, Any]) -> list[str]:
    """One for each advisory."""
    package = f"{dependency['name']} {dependency['version']}"
    return [
        f"{package}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none yet'}"
        for found in dependency["vulns"]
    ]


def _not_audited(why: str) -> int:
    print(f"NOT AUDITED: the advisories cannot be had ({why}); nothing was checked for known vulnerabilities")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
