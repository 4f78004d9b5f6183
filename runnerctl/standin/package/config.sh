#!/bin/sh
# Configures or removes a runner. Unlike the real one it keeps the port of --url, so that it can talk to a sandbox.
if [ "$(id -u)" -eq 0 ] && [ -z "$RUNNER_ALLOW_RUNASROOT" ]; then
    echo "Must not run with sudo" >&2
    exit 1
fi
cd "$(dirname "$0")" || exit 1
if [ "$1" = remove ]; then
    exec ./bin/Runner.Listener "$@"
fi
. ./env.sh
exec ./bin/Runner.Listener configure "$@"
