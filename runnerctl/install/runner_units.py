"""The unit that every runner is an instance of, and the rule that lets the unprivileged manager start and stop it.

Tried on systemd 252. Its score by ``systemd-analyze security`` counts what a job keeps: devices, namespaces and system
calls that builds need are left, each named below.
"""

from __future__ import annotations

from runnerctl.core.backends import units

from .layout import Layout

_TEMPLATE = """\
# A runner of runnerctl: %i is the short id of its life, `runnerctl list -o json` shows it.
[Unit]
Description=GitHub Actions runner %i (runnerctl)
After=network-online.target
Wants=network-online.target
CollectMode=inactive-or-failed
# How often one may be started is runnerctl's to decide.
StartLimitIntervalSec=0

[Service]
Type=notify
# ExecReload's process, too: it tells which is the main one then.
NotifyAccess=exec
Slice=runnerctl.slice
# Without a name for each instance all instances would share one user.
User=rc-%i
DynamicUser=yes
# The directory that the manager has built becomes this user's, and the manager's again when all has ended.
ExecStartPre=+{python} -I -S -B {package}/privileged/chown_to_job.py %i {options}
# uid 0 in this sandbox, with three capabilities: jobs can neither signal nor trace it; it drops the Listener to rc-%i.
ExecStart=!{python} -I -S -B {package}/supervisor/__main__.py /run/runnerctl-runners/%i --unit
# In place of a supervisor that died: another for what it left. systemd ends a unit whose main process failed once a
# reload is done, so however it dies is no failure.
SuccessExitStatus=1 SIGABRT SIGBUS SIGFPE SIGILL SIGKILL SIGQUIT SIGSEGV SIGSYS SIGTRAP SIGXCPU
ExecReload=!{python} -I -S -B {package}/supervisor/__main__.py /run/runnerctl-runners/%i --adopt-unit
ExecStopPost=+{python} -I -S -B {package}/privileged/reclaim.py %i {options}
# A supervisor that dies takes no job with it.
ExitType=cgroup
KillMode=mixed
OOMPolicy=continue
OOMScoreAdjust=500
TimeoutStartSec=90
# stop.shutdown_grace, then the stop ladder (stop.interrupt, .terminate, .kill): 105 s as they come.
TimeoutStopSec=5min
UMask=0022
LimitCORE=0
{limits}
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=-{base_dir} -/run/runnerctl-runners
InaccessiblePaths=-{state_dir} -{config_dir}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
RemoveIPC=yes
# Left out: RestrictNamespaces (browsers and rootless containers sandbox themselves), MemoryDenyWriteExecute (.NET, node
# and Java compile while they run), ProtectProc (the supervisor must see its user's processes), PrivateNetwork.
"""

_RULE = """\
// The manager of runnerctl may start, stop, reload, kill and reset the runners' units, and nothing else: without the
// list of verbs it could also change their properties.
polkit.addRule(function(action, subject) {{
    if (action.id == "org.freedesktop.systemd1.manage-units" && subject.user == "{user}" &&
        /^runnerctl-runner@[a-z0-9]{{4,32}}\\.service$/.test(action.lookup("unit")) &&
        ["start", "stop", "reload", "kill", "reset-failed"].indexOf(action.lookup("verb")) >= 0) {{
        return polkit.Result.YES;
    }}
}});
"""


def template(layout: Layout) -> str:
    """``runnerctl-runner@.service``."""
    options = f"--base-dir {layout.base_dir} --state-dir {layout.state_dir} --manager {layout.user}"
    if layout.groups:
        options += f" {units.groups_option(layout.groups)}"
    return _TEMPLATE.format(
        python=layout.interpreter,
        package=layout.package,
        options=options,
        base_dir=layout.base_dir,
        state_dir=layout.state_dir,
        config_dir=layout.config_dir,
        limits="".join(f"{line}\n" for line in units.limit_lines(layout.limits)),
    )


def polkit_rule(*, user: str) -> str:
    """For ``/etc/polkit-1/rules.d``."""
    return _RULE.format(user=user)
