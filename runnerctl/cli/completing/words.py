"""The words of the command line. Made by `make generate` from the commands: do not edit.

Command -> (what it does, its parameters, its commands); a parameter is (names, kind, choices, whether it may come more
than once, what it does). A kind is `flag`, `file`, `dir`, one of values.FOUND, or nothing.
"""

Parameter = tuple[tuple[str, ...], str, tuple[str, ...], bool, str | None]
COMMANDS: dict[str, tuple[str, tuple[Parameter, ...], tuple[str, ...]]] = {
    '': (
        'Make, watch and remove GitHub Actions runners on this host',
        (
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
            (('--env-file',), 'file', (), False, 'Read settings from this file of KEY=value lines'),
            (('--version',), 'flag', (), False, 'Show the version and exit'),
        ),
        ('create', 'remove', 'status', 'list', 'jobs', 'history', 'logs', 'start', 'stop', 'restart', 'undrain', 'reconcile', 'orphans', 'package', 'token', 'audit', 'state', 'doctor', 'rehearse', 'config', 'serve', 'service', 'sandbox', 'demo', 'completion', 'help'),
    ),
    'create': (
        'Register a runner and start it',
        (
            (('name',), '', (), False, None),
            (('--repo',), 'repository', (), False, 'Register the runner in this repository'),
            (('--org',), 'organization', (), False, 'Register the runner in this organization'),
            (('--labels',), 'labels', (), False, "Use these labels, and the runner's name, not the default ones"),
            (('--ephemeral/--persistent',), 'flag', (), False, 'End after one job, or take jobs until removed'),
            (('--foreground',), 'flag', (), False, 'Stay attached and show the log'),
            (('--replace',), 'flag', (), False, 'If GitHub has a runner of that name that is not of this host, is offline and runs no job, delete that one and take its name'),
            (('--group',), '', (), False, 'Join this runner group of the organization'),
            (('--runner-version',), '', (), False, 'Run this version of the runner package'),
            (('--workdir',), '', (), False, "Name of the work directory in the runner's directory"),
            (('--env',), '', (), True, 'Give its jobs this variable, beside the setting job_env'),
            (('--wait',), '', ('none', 'online', 'completed'), False, 'Return at its launch (none), when the runner takes jobs (online), or when it has ended (completed)'),
            (('--timeout',), '', (), False, 'Stop waiting after this long (90, 90s, 2m, 1h)'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'remove': (
        'Deregister, stop and delete runners',
        (
            (('names',), 'runner', (), True, None),
            (('--force',), 'flag', (), False, 'Cancel a running job, kill it after the setting stop.force, and go on without GitHub'),
            (('--drain',), 'flag', (), False, 'Let a running job finish, then remove the runner'),
            (('--all',), 'flag', (), False, 'Remove every runner of this host'),
            (('--timeout',), '', (), False, 'With --drain, stop waiting after this long (90, 90s, 2m, 1h)'),
            (('--yes',), 'flag', (), False, 'With --all, do not ask'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'status': (
        'Show the state of a runner or of this host',
        (
            (('name',), 'known-runner', (), False, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'list': (
        'List the runners of this host',
        (
            (('--all',), 'flag', (), False, 'Also list runners that have ended'),
            (('--state',), '', ('pending', 'registered', 'starting', 'idle', 'busy', 'stopping', 'stopped', 'removing', 'completed', 'failed', 'removed'), False, 'Only runners in this state'),
            (('--repo',), 'repository', (), False, 'Only runners of this repository'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'jobs': (
        'List the jobs that ran here',
        (
            (('--runner',), 'known-runner', (), False, 'Only jobs of this runner'),
            (('--repo',), 'repository', (), False, 'Only jobs of this repository'),
            (('--result',), '', ('succeeded', 'failed', 'cancelled', 'skipped', 'abandoned'), False, 'Only jobs that ended so, such as failed'),
            (('--since',), '', (), False, 'Only jobs that began since then'),
            (('-n', '--limit'), '', (), False, 'At most N jobs'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'history': (
        'Show what happened to a runner, and how long it took',
        (
            (('name',), 'known-runner', (), False, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'logs': (
        "Show a runner's log",
        (
            (('name',), 'known-runner', (), False, None),
            (('-f', '--follow'), 'flag', (), False, 'Keep printing until the runner ends, or Ctrl-C'),
            (('-n', '--tail'), '', (), False, 'Print only the last N lines'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'start': (
        'Start a stopped runner',
        (
            (('name',), 'stopped-runner', (), False, None),
            (('--register',), 'flag', (), False, 'Register the runner anew if GitHub has deleted its registration'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'stop': (
        'Stop a runner but keep it installed',
        (
            (('name',), 'runner', (), False, None),
            (('--now',), 'flag', (), False, 'Cancel a running job instead of letting it finish'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'restart': (
        'Stop a runner and start it again',
        (
            (('name',), 'runner', (), False, None),
            (('--now',), 'flag', (), False, 'Cancel a running job instead of letting it finish'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'undrain': (
        'Take back the drain of a runner',
        (
            (('name',), 'runner', (), False, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'reconcile': (
        'Repair what a crash or an outage left behind',
        (
            (('--dry-run',), 'flag', (), False, 'Show what would be done, and do nothing'),
            (('--local',), 'flag', (), False, 'Check this host only'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'orphans': (
        'Show and clear what runners had to leave behind',
        (
        ),
        ('clear', 'forget', 'list'),
    ),
    'orphans clear': (
        'Try now to clear orphan ID, or all of them',
        (
            (('orphan',), 'orphan', (), False, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'orphans forget': (
        'Try orphan ID no more',
        (
            (('orphan',), 'orphan', (), False, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'orphans list': (
        'List the orphans',
        (
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'package': (
        'List, fetch, prune and verify runner packages',
        (
        ),
        ('fetch', 'list', 'prune', 'verify'),
    ),
    'package fetch': (
        'Download, verify and unpack VERSION ahead of time',
        (
            (('version',), '', (), False, None),
            (('--repo',), 'repository', (), False, 'Take the version that GitHub offers to this repository'),
            (('--org',), 'organization', (), False, 'Take the version that GitHub offers to this organization'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'package list': (
        'List the packages, oldest version first, with their size and how many runners use each',
        (
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'package prune': (
        'Remove versions that no runner uses, and leftovers of interrupted downloads',
        (
            (('--keep',), '', (), False, 'Keep this many of the newest versions'),
            (('--dry-run',), 'flag', (), False, 'Show what would be removed, and remove nothing'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'package verify': (
        'Check that no file of a package has changed since it was unpacked',
        (
            (('version',), 'package', (), False, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'token': (
        'Create, list, rotate and revoke API tokens',
        (
        ),
        ('create', 'list', 'revoke', 'rotate'),
    ),
    'token create': (
        'Create token NAME and print it, once',
        (
            (('name',), '', (), False, None),
            (('--scope',), '', ('runners:read', 'runners:write', 'runners:env', 'logs:read', 'metrics:read', 'tokens:admin'), True, 'Allow this'),
            (('--tenant',), '', (), False, 'See and make runners of this tenant'),
            (('--every-tenant',), 'flag', (), False, 'See the runners of all tenants'),
            (('--repo',), '', (), True, "Allow these repositories, such as 'octo-org/*'; may be repeated"),
            (('--org',), '', (), True, 'Allow these organizations'),
            (('--labels',), 'labels', (), False, 'Allow these labels'),
            (('--max-runners',), '', (), False, 'Allow the tenant N runners at once'),
            (('--persistent',), 'flag', (), False, 'Also allow persistent runners'),
            (('--public-repositories',), 'flag', (), False, 'Also allow public repositories'),
            (('--name-pattern',), '', (), False, 'Allow runner names that match'),
            (('--expires',), '', (), False, 'Valid for this long'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'token list': (
        'List the tokens with their tenants, limits and expiry',
        (
            (('--all',), 'flag', (), False, 'Also list tokens that are revoked or expired'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'token revoke': (
        'Revoke token NAME, or the token with that id',
        (
            (('name',), 'token', (), False, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'token rotate': (
        'Replace token NAME by a new one with the same rights and limits, and print the new one, once',
        (
            (('name',), 'token', (), False, None),
            (('--grace',), '', (), False, 'Keep the old token valid for this long'),
            (('--expires',), '', (), False, 'Valid for this long'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'audit': (
        'Show who asked for what',
        (
            (('--refused',), 'flag', (), False, 'Show only what was refused, or was so already'),
            (('-f', '--follow'), 'flag', (), False, 'Keep printing what is added, until Ctrl-C'),
            (('-n', '--tail'), '', (), False, 'Print only the last N lines'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'state': (
        'Say which machine goes on with a copied state directory',
        (
        ),
        ('adopt', 'forget-registrations'),
    ),
    'state adopt': (
        'Go on with the state directory of another machine, on this one',
        (
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'state forget-registrations': (
        'Forget the runners of the machine that this state directory was copied from',
        (
            (('--yes',), 'flag', (), False, 'Do not ask'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'doctor': (
        'Check that this host can run runners',
        (
            (('--offline',), 'flag', (), False, 'Do not ask GitHub'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'rehearse': (
        'Prove this host with real jobs on a local GitHub',
        (
            (('--package',), 'file', (), False, 'Try this runner package'),
            (('--stand-in',), 'flag', (), False, 'Try a stand-in for the runner package, which needs no network'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'config': (
        'Show or check the settings in force',
        (
        ),
        ('show', 'validate'),
    ),
    'config show': (
        'Show every setting, or those named, with value and origin',
        (
            (('keys',), 'setting', (), True, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'config validate': (
        'Check that settings, key, token and directories can be used',
        (
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'serve': (
        'Serve the REST API',
        (
            (('--bind',), '', (), False, 'Listen on HOST:PORT, [ADDRESS]:PORT or unix:/path'),
            (('--tls-cert',), 'file', (), False, 'TLS certificate and its chain (PEM)'),
            (('--tls-key',), 'file', (), False, 'Private key of that certificate (PEM)'),
            (('--insecure-bind',), 'flag', (), False, 'Allow an address that other machines reach, without TLS'),
            (('--log-format',), '', ('text', 'json'), False, 'Write the log as text, or as JSON, one object a line'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'service': (
        'Install the server as a systemd service',
        (
        ),
        ('install', 'print', 'uninstall'),
    ),
    'service install': (
        'Make the user, directories, settings and units, and enable the server',
        (
            (('--dry-run',), 'flag', (), False, 'Show what would be done, and do nothing'),
            (('--now',), 'flag', (), False, 'Also start the server, or restart it if its unit changed'),
            (('--backend',), '', ('process', 'systemd'), False, 'Run each runner as a systemd unit of its own, or as a process of the server'),
            (('--user',), '', (), False, 'Run the server as this user'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'service print': (
        'Print the files that `service install` would write',
        (
            (('name',), 'unit-file', (), False, None),
            (('--backend',), '', ('process', 'systemd'), False, 'Run each runner as a systemd unit of its own, or as a process of the server'),
            (('--user',), '', (), False, 'Run the server as this user'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'service uninstall': (
        'Stop and disable the server and remove its units',
        (
            (('--dry-run',), 'flag', (), False, 'Show what would be done, and do nothing'),
            (('--purge',), 'flag', (), False, 'Also delete settings, keys, state, logs, packages and the user'),
            (('--force',), 'flag', (), False, 'Uninstall even if runners are running'),
            (('--yes',), 'flag', (), False, 'Do not ask before --purge deletes'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'sandbox': (
        'Run a local GitHub for rehearsals',
        (
            (('--host',), '', (), False, 'Listen on this loopback address'),
            (('--port',), '', (), False, 'Listen on this port'),
            (('--package',), 'file', (), False, 'Offer this runner package'),
            (('--action',), '', (), True, 'Let jobs use this action, from a directory'),
            (('--repo',), 'repository', (), False, 'Queue the jobs in this repository'),
            (('--job',), '', (), True, 'Queue a job that runs COMMAND; may be repeated'),
            (('--runs-on',), '', (), False, 'Make the jobs ask for these labels'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'demo': (
        "Play the guide's workflow on a local GitHub",
        (
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'completion': (
        'Print or install tab completion for a shell',
        (
            (('shell',), '', ('bash', 'zsh', 'fish'), False, None),
            (('--install',), 'flag', (), False, 'Write the script where the shell finds it'),
            (('--uninstall',), 'flag', (), False, 'Remove what --install wrote'),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
    'help': (
        'Show a page of the manual',
        (
            (('topic',), 'topic', (), True, None),
            (('-o', '--output'), '', ('table', 'json', 'yaml', 'name'), False, 'Print a table (tab-separated in a pipe), json, yaml, or only the name'),
            (('-q', '--quiet'), 'flag', (), False, 'Print only errors on standard error'),
            (('-v', '--verbose'), 'flag', (), False, 'Show the traceback of an error'),
        ),
        (),
    ),
}
TOPICS = {'env': 'Settings as variables: runnerctl.env', 'yaml': 'Settings as YAML: runnerctl.yaml', 'exit-status': 'What exit statuses and error codes mean'}
ALIASES = {'ls': 'list', 'ps': 'list', 'rm': 'remove', 'delete': 'remove', 'describe': 'status'}
