# Empties what earlier jobs left, as the job's user and before its job. Needs find and timeout.
# No link is followed, nothing that is mounted there is entered, and each directory is given a minute.
PATH=/usr/local/bin:/usr/bin:/bin
export PATH

empty() {
    where=$1
    shift
    if [ ! -d "$where" ] || [ -h "$where" ]; then
        rm -f "$where"
        return 0
    fi
    timeout 60 find "$where" -xdev -mindepth 1 -type d ! -perm -700 -exec chmod u+rwx {} \; 2> /dev/null
    timeout 60 find "$where" -xdev -mindepth 1 "$@" -delete > /dev/null 2>&1 ||
        echo "::warning::Not all that earlier jobs left in $where could be deleted"
}

tmp() {
    # What .NET has made there for the Listener and the Worker, which run, is theirs.
    empty "${TMPDIR:?}" ! \( -type p -path "$TMPDIR/clr-debug-pipe-*" \) ! \( -type s -path "$TMPDIR/dotnet-diagnostic-*" \)
    # Where /tmp is the runner's own, so is /var/tmp: the same directory, or another.
    [ "$TMPDIR" != /tmp ] || [ /tmp -ef /var/tmp ] || empty /var/tmp
}

home() {
    empty "${HOME:?}"
}

work() {
    # The runner's own stay: _temp and _actions are this job's already, and _tool is a cache.
    parent=${RUNNER_WORKSPACE%/*}
    for each in "${parent:?}"/* "$parent"/.[!.]* "$parent"/..?*; do
        case ${each##*/} in
            _temp | _actions | _tool | _PipelineMapping) ;;
            *)
                empty "$each" ! -path "$GITHUB_WORKSPACE"
                [ "$each" = "$RUNNER_WORKSPACE" ] || rmdir "$each" 2> /dev/null || :
                ;;
        esac
    done
}
