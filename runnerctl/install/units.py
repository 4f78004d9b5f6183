"""The text of the server's unit. Comments in it are for whoever reads it on a host."""

from __future__ import annotations

from .layout import UNIT, Backend, Layout

_HEAD = """\
# Written by `runnerctl service install`, and replaced by it. Put your changes in a drop-in:
#   systemctl edit {unit}
# The server opens its address itself, unless {unit}.socket is enabled: then no caller is refused while it restarts.
[Unit]
Description=runnerctl: GitHub Actions runners on demand
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
User={user}
Group={user}
EnvironmentFile=-{env_file}
# systemd would take the backslashes out of a key written with \\n. The server reads it from the file itself.
UnsetEnvironment=GITHUB_APP_PRIVATE_KEY
# The key and the token from files that only root can read, if they are there. A setting wins over them.
LoadCredential=app-key:{app_key}
SetCredential=app-key:\\n
LoadCredential=api-token:{api_token}
SetCredential=api-token:\\n
ExecStart={interpreter} -P -m runnerctl.server
ExecReload=/bin/kill -HUP $MAINPID
WatchdogSec=60
# Runners made with daemonize=false: 30 s for a drain, then the stop ladder (stop.interrupt, .terminate, .kill); and
# 20 s each for what is under way and for connections. Longer stop settings need a longer time here.
TimeoutStopSec=120
Restart=always
RestartSec=5
# A configuration that cannot be used gets no better by trying again.
RestartPreventExitStatus=2
LimitCORE=0
"""

_PROCESS = """
# Runners are children of the server and outlive it: a stop or restart ends the server's own process only.
KillMode=process
# A job that runs out of memory is no reason to stop the server and all others.
OOMPolicy=continue
# All runners together; the usual limit is meant for one service.
TasksMax=infinity
# Each runner gets a cgroup in ours. No controller: with one, systemd before 254 could not restart the server
# beside its runners (219/CGROUP).
Delegate=

# What follows binds jobs as well, as they inherit it.
# For jobs that need sudo: NoNewPrivileges=no, RestrictRealtime=no and CapabilityBoundingSet=~ in a drop-in, and
# RUNNERCTL_LANDLOCK=false.
NoNewPrivileges=yes
{capabilities}RestrictRealtime=yes
ProtectSystem=full
{home}UMask=0022

# Left out, because of jobs:
#   PrivateTmp               a restart would empty /tmp under the runners that go on
#   ProtectSystem=strict     tool caches and mounted disks could not be written
#   ReadWritePaths, StateDirectory and the like
#                            bind mounts forbid hard links between packages and roots, and systemd changes owners
#                            of what is hard-linked
#   PrivateDevices, DevicePolicy, ProtectClock
#                            emulators and GPUs: /dev/kvm, /dev/dri (a clock that is protected has a device policy)
#   ProtectControlGroups     a runner's cgroup is made by us
#   ProtectKernelTunables, ProtectKernelLogs, ProtectProc, ProcSubset
#                            over-mounts in /proc forbid rootless containers a /proc of their own
#   ProtectKernelModules     modules are built against /lib/modules
#   ProtectHostname, RestrictNamespaces, RestrictSUIDSGID, PrivateUsers
#                            containers, and builds of images
#   SystemCallArchitectures, SystemCallFilter, LockPersonality, RestrictAddressFamilies
#                            32-bit programs, debuggers, emulators
#   MemoryDenyWriteExecute   just-in-time compilers; the runner itself has one
#   PrivateNetwork, IPAddressDeny
#                            jobs load what they build with
#   OOMScoreAdjust, Nice     they would be the jobs', too
# Where jobs are strangers, give each runner a unit or a user of its own: docs/security.md
"""

_CAPABILITIES = """\
# None, and none to be had; in a user namespace of its own a job still has all.
CapabilityBoundingSet=
"""

_SYSTEMD = """
# No runner is a child of the server here: each is a unit of its own.
KillMode=mixed
# Where their supervisors tell of them; it outlives the server, as they do.
RuntimeDirectory=runnerctl
RuntimeDirectoryMode=0750
RuntimeDirectoryPreserve=yes
LimitNOFILE=65536
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ReadWritePaths={writable}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
RemoveIPC=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
KeyringMode=private
UMask=0077

# Left out:
#   ProtectProc, ProcSubset  a job is proved by processes of its own user, and by the boot's id in /proc/sys
#   PrivateUsers             whose a process is must be seen
#   PrivateNetwork, IPAddressDeny
#                            GitHub is asked, and callers are answered
#   SystemCallFilter=~@resources
#                            the server raises its own limit of open files
#   StateDirectory and the like
#                            systemd would change the owners of what is hard-linked
"""

_SOCKET = """\
# Not enabled by `runnerctl service install`. To have callers wait while the server restarts:
#   systemctl stop {unit}; systemctl enable --now {unit}.socket
[Unit]
Description=The address of runnerctl

[Socket]
ListenStream={bind}
SocketMode=0660
SocketGroup={user}

[Install]
WantedBy=sockets.target
"""

_TAIL = """
[Install]
WantedBy=multi-user.target
"""


def server_unit(layout: Layout) -> str:
    """``runnerctl-server.service`` for that layout."""
    head = _HEAD.format(
        unit=UNIT.removesuffix(".service"),
        user=layout.user,
        env_file=layout.env_file,
        app_key=layout.app_key,
        api_token=layout.api_token,
        interpreter=layout.interpreter,
    )
    return head + (_alone(layout) if layout.backend is Backend.SYSTEMD else _with_runners(layout)) + _TAIL


def socket_unit(layout: Layout) -> str:
    """``runnerctl-server.socket``."""
    unit = UNIT.removesuffix(".service")
    return _SOCKET.format(unit=unit, bind=layout.bind.removeprefix("unix:"), user=layout.user)


def _with_runners(layout: Layout) -> str:
    # Root needs its capabilities to make processes of other users (`run_as`).
    root = layout.user == "root"
    return _PROCESS.format(capabilities="" if root else _CAPABILITIES, home="" if root else "ProtectHome=yes\n")


def _alone(layout: Layout) -> str:
    places = [layout.state_dir, layout.base_dir]
    if not layout.package_dir.is_relative_to(layout.base_dir):
        places.append(layout.package_dir)
    return _SYSTEMD.format(writable=" ".join(map(str, places)))
