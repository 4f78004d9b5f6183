#!/bin/sh
# Starts the runner again as long as its helper asks for it (2), and hides every other end but "too old" (7).
cd "$(dirname "$0")" || exit 1
while :; do
    cp -f run-helper.sh.template run-helper.sh
    # Unquoted as in the real one: words with blanks fall apart.
    # shellcheck disable=SC2048,SC2086
    ./run-helper.sh $*
    code=$?
    [ "$code" -eq 2 ] || break
    echo "Restarting runner..."
done
if [ "$code" -eq 7 ] && [ "$ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE" = 1 ]; then
    exit 7
fi
echo "Exiting runner..."
exit 0
