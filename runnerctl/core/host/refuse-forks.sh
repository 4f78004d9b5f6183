#!/bin/sh
# Run by the runner before each job, as the job's user: fails jobs of pull requests that come from another repository.
# What cannot be read counts as one. Needs sed and awk.
PATH=/usr/local/bin:/usr/bin:/bin
LC_ALL=C
export PATH LC_ALL

refuse() {
    echo "::error::$1"
    # After a failed hook the runner still runs steps that say `if: always()`, and a stranger's workflow may say so.
    # So the Worker ends, too, once it has had the time to pass on that line.
    read -r name 2>/dev/null < "/proc/$PPID/comm" || name=
    [ "$name" = Runner.Worker ] && sleep 1 && kill -s KILL "$PPID"
    exit 1
}

# Once its escapes are gone, every second part between quotes is a string, whatever it says; what lies between strings
# is structure. Both repositories are found by the keys on the way to them, not by anything a stranger may write.
kind=$(sed 's/\\./_/g' "${GITHUB_EVENT_PATH:?}" | awk -v RS='"' '
    function at(path, level) {
        for (level = depth; level > 0; level--) path = key[level] (path == "" ? "" : ".") path
        return path
    }
    NR == 1 && substr($0, 1, 1) != "{" { broken = 1 }
    NR % 2 == 0 {
        text = $0
        if (is_value && at("") == "pull_request.head.repo.full_name") head = tolower(text)
        if (is_value && at("") == "pull_request.base.repo.full_name") base = tolower(text)
        is_value = 0
        next
    }
    {
        for (i = 1; i <= length($0); i++) {
            mark = substr($0, i, 1)
            if (mark == ":") { key[depth] = text; is_value = 1 }
            else if (mark == "{" || mark == "[") {
                if (depth == 1 && key[1] == "pull_request") pull_request = 1
                key[++depth] = ""
                is_value = 0
            }
            else if (mark == "}" || mark == "]") { if (--depth < 0) broken = 1; is_value = 0 }
        }
    }
    END {
        if (broken || depth != 0 || NR % 2 == 0) print "unreadable"
        else if (!pull_request) print "other"
        else print (head != "" && head == base) ? "own" : "fork"
    }
') || kind=unreadable

case $kind in
    own | other) ;;
    fork) refuse "This runner runs no jobs of pull requests from forks" ;;
    *) refuse "This runner runs no job whose trigger it cannot read" ;;
esac
