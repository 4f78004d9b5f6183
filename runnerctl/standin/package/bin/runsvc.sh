#!/bin/sh
# What the service unit of the real one starts; here without node in between.
cd "$(dirname "$0")/.." || exit 1
[ ! -f .path ] || PATH=$(cat .path)
export PATH
exec ./bin/Runner.Listener run --startuptype service
