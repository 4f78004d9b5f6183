"""What vulture takes for unused and is not: each line says who uses it. Dead code is deleted, never listed here."""

import asyncio
import tarfile

import requests
import urllib3
import yaml

from runnerctl.cli.completing import bash, fish, tree, zsh
from runnerctl.cli.main import LazyGroup
from runnerctl.core import __getattr__
from runnerctl.core.access.policy import Right
from runnerctl.core.backends.base import Backend, Capabilities, Problem, Usage
from runnerctl.core.domain.host_document import SpaceDocument, VersionInUse
from runnerctl.core.domain.models import EventType
from runnerctl.core.engine.reconciler import Beat
from runnerctl.core.engine.situation import Situation
from runnerctl.core.housekeeping.retention import Pruned
from runnerctl.core.store import Store
from runnerctl.sandbox import Sandbox
from runnerctl.server.answers import Problem as ProblemDocument
from runnerctl.server.listening.connections import Connection
from runnerctl.server.readiness import Check

asyncio.Protocol.data_received  # asyncio, of the benchmark's protocol
tarfile.TarInfo.mtime, tarfile.TarInfo.gname, tarfile.TarFile.extraction_filter  # tarfile
urllib3.PoolManager.pool_classes_by_scheme, urllib3.HTTPConnectionPool.ConnectionCls  # urllib3
requests.Session.trust_env  # requests
yaml.SafeLoader.yaml_implicit_resolvers  # PyYAML
__getattr__  # Python: a name of the core is imported when it is first used
LazyGroup.format_commands  # Click
tree.Command.shell_complete, tree.Group.shell_complete, tree.Values.shell_complete  # Click
bash.BashComplete.source_template, fish.FishComplete.source_template, zsh.ZshComplete.source_template  # Click
Connection.handle_error  # aiohttp
ProblemDocument.detail, Pruned.requests  # who reads the whole value
Right.METRICS_READ  # tokens: made from text
Backend.observe_all, Backend.watch, Backend.discover  # the seam: the engine, and the contract that all backends keep
Capabilities.adoption, Problem.fatal, Usage.cpu_seconds, Usage.memory_bytes  # who reads the whole value
Pruned.diag_files, Beat.depth  # who reads the whole value
Situation.restful, Situation.crashed_early, Situation.late, Situation.exposed  # rows of the engine's table, by name
Situation.wished, Situation.unheard, Situation.settling, Situation.unregistered  # the same
EventType.NOTE, Store.events_after, Store.first_event, Store.last_event  # the sequence of events: made from text, read
Store.begin_job, Store.describe_job, Store.end_job, Store.jobs_of  # by tests today; who shows events and jobs is next
SpaceDocument.total_bytes, SpaceDocument.available_bytes, VersionInUse.ends_at, Check.ok  # who reads JSON

# The sandbox's own interface: for tests, and for whoever rehearses.
Sandbox.forgive, Sandbox.enterprise_issuer, Sandbox.oidc_token, Sandbox.rotate_oidc_key, Sandbox.add_release
Sandbox.wait_job_started, Sandbox.wait_runner, Sandbox.wait_runner_gone, Sandbox.add_runner
