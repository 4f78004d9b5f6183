"""What callers write into addresses, queries and bodies, by kind: described here, checked by the core.

``extra_json_schema`` describes and does not check: the core's refusals say more than a pattern does.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

RunnerName = Annotated[str, Meta(description="The runner's name.", examples=["ci-1"])]
TokenName = Annotated[str, Meta(description="The token's name, or its id.", examples=["games"])]
OrphanId = Annotated[str, Meta(description="The orphan's number.", examples=["7"])]
SessionId = Annotated[str, Meta(description="The session's id.", examples=["5f3a9c0d1b2e4f60"])]
FileName = Annotated[str, Meta(description="The file's name.", examples=["app.js"])]
Limit = Annotated[int, Meta(ge=1, le=1000, description="So many items a page at most.")]
Cursor = Annotated[str, Meta(description="Where the page begins: `next` of the page before.")]
Moment = Annotated[
    str, Meta(description="How long ago, such as 90s or 7d, or a time such as 2026-11-24T06:00:00Z.", examples=["7d"])
]
Repository = Annotated[str, Meta(description="OWNER/REPO.", examples=["octo-org/octo-repo"])]
Label = Annotated[str, Meta(description="One that it has, whatever its capitals.", examples=["linux"])]
