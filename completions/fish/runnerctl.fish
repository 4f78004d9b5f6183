# fish completion for runnerctl. Made by `make generate`: change runnerctl/cli/completing/fish.py instead.

function __runnerctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct | string unescape; or commandline -ct)
    set -lx _RUNNERCTL_COMPLETE fish_complete
    set -lx COMP_WORDS (string join -- \x1f $words "$current")
    set -l option (string match -r -- '^--[^=]*=' "$current")
    set -l path (string replace -r -- '^--[^=]*=' '' "$current")
    set -l program (string replace -r -- '^~/' "$HOME/" $words[1])
    for line in ($program 2>/dev/null)
        set -l answer (string split -m 1 -- , $line)
        switch $answer[1]
            case dir
                __fish_complete_directories "$path" | string replace -r -- '^' "$option"
            case file
                __fish_complete_path "$path" | string replace -r -- '^' "$option"
            case plain
                echo -- $answer[2]
        end
    end
end

complete --command runnerctl --no-files --keep-order --arguments '(__runnerctl_complete)'
