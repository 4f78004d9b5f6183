"""What callers write into addresses, queries and bodies, by kind: described here, checked by the core.

``extra_json_schema`` describes and does not check: the core's refusals say more than a pattern does.
"""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from runnerctl.core.domain import durations, job_env, names


def whole(*patterns: str) -> Meta:
    """A text that one of these fits as a whole."""
    return Meta(extra_json_schema={"pattern": f"^(?:{'|'.join(patterns)})$"})


_REPOSITORY = rf"{names.OWNER.pattern}/(?!\.{{0,2}}(?:\.git)?/*$){names.REPO.pattern}"
_TIME = r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)?Z?"
TIME = re.compile(_TIME, re.ASCII)
# A number's digits, as base64 has them: three, two, one.
_TWO = r"(?:[MN][DTjz]|O[DT])[AEIMQUYcgk]"
_CURSOR = rf"(?:{_TWO}[w-z0-5]){{1,6}}", rf"(?:{_TWO}[w-z0-5]){{0,5}}(?:{_TWO}=|[MN][AQgw]==|O[AQ]==)"

RunnerName = Annotated[str, whole(names.NAME.pattern), Meta(description="The runner's name.", examples=["ci-1"])]
NamePrefix = Annotated[str, whole(r"[A-Za-z0-9][A-Za-z0-9._-]{0,53}"), Meta(examples=["ci-"])]
TokenName = Annotated[str, Meta(description="The token's name, or its id.", examples=["games"])]
OrphanId = Annotated[str, whole(r"\d{1,18}"), Meta(description="The orphan's number.", examples=["7"])]
SessionId = Annotated[str, Meta(description="The session's id.", examples=["5f3a9c0d1b2e4f60"])]
FileName = Annotated[str, Meta(description="The file's name.", examples=["app.js"])]

Limit = Annotated[int, Meta(ge=1, le=1000, description="So many items a page at most.")]
# What it holds is checked by the list that it is given to: another's is refused.
Cursor = Annotated[
    str,
    whole(r"WyJ[A-Za-z0-9_-]{8,240}={0,2}"),
    Meta(description="Where the page begins: `next` of the page before, of the same list."),
]
Since = Annotated[
    str,
    whole(_TIME, durations.FORM.pattern),
    Meta(description="Not before that time, or that long ago.", examples=["10m", "2026-11-24T06:00:00Z"]),
]
Repository = Annotated[str, Meta(description="OWNER/REPO.", examples=["octo-org/octo-repo"])]
RunnerFilter = Annotated[str, Meta(description="A runner's name.", examples=["ci-1"])]
Label = Annotated[str, Meta(description="One that it has, whatever its capitals.", examples=["linux"])]

RepositoryGiven = Annotated[
    str,
    whole(_REPOSITORY, rf"{names.URL_PREFIX}{_REPOSITORY}/*"),
    Meta(description="OWNER/REPO, or the repository's URL.", examples=["octo-org/octo-repo"]),
]
Organization = Annotated[str, whole(names.OWNER.pattern), Meta(description="Its login.", examples=["octo-org"])]
# Neither an option of config.sh nor blank.
Group = Annotated[
    str,
    whole(r"(?!\s*(?:-|/\?))(?=.*\S).{1,100}"),
    Meta(description="The runner group, of an organization.", examples=["Default"]),
]
Version = Annotated[str, whole("", names.VERSION.pattern), Meta(examples=["latest", "2.336.0"])]
Workdir = Annotated[
    str,
    whole("", rf"(?!(?:{'|'.join(sorted(names.RESERVED))})$){names.WORKDIR.pattern}"),
    Meta(description="Below the runner's directory.", examples=["_work"]),
]
Variables = Annotated[
    dict[str, Annotated[str, Meta(extra_json_schema={"maxLength": job_env.MOST_VALUE})]],
    Meta(
        extra_json_schema={
            "maxProperties": job_env.MOST,
            "propertyNames": {"pattern": f"^{job_env.NAME.pattern}$", "maxLength": 128},
        }
    ),
]
# Up to an hour, and not nothing.
_SECONDS, _MINUTES = r"(?:\d{1,3}|[12]\d{3}|3[0-5]\d{2})(?:\.\d{1,3})?", r"[1-5]?\d(?:\.\d{1,3})?"
Patience = (
    Annotated[float, Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": 3600})]
    | Annotated[str, whole(rf"(?![0.]*(?:s|m)?$)(?:{_SECONDS}\s*s?|{_MINUTES}\s*m|1\s*h)"), Meta(examples=["2m"])]
)
