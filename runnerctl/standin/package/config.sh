#!/bin/sh
# Configures or removes a runner.
if [ "$(id -u)" -eq 0 ] && [ -z "$RUNNER_ALLOW_RUNASROOT" ]; then
    echo "Must not run with sudo"
    exit 1
fi
cd "$(dirname "$0")" || exit 1
if [ "$1" = remove ]; then
    exec ./bin/Runner.Listener "$@"
fi
. ./env.sh
exec ./bin/Runner.Listener configure "$@"
