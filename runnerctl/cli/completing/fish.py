"""fish: whole words with what is before an ``=``, a tabulator, a description; it quotes by itself.

https://fishshell.com/docs/current/completions.html
"""

from __future__ import annotations

from click.shell_completion import CompletionItem

from .shells import Shell, described

_SCRIPT = r"""# fish completion for runnerctl. Made by `make generate`: change runnerctl/cli/completing/fish.py instead.

function __%(prog_name)s_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct | string unescape; or commandline -ct)
    set -lx %(complete_var)s fish_complete
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

complete --command %(prog_name)s --no-files --keep-order --arguments '(__%(prog_name)s_complete)'
"""


class FishComplete(Shell):
    name = "fish"
    source_template = _SCRIPT

    def format_completion(self, item: CompletionItem) -> str:
        if item.type != "plain":
            return f"{item.type},"
        return f"plain,{self.prefix}{item.value}\t{described(item)}".rstrip("\t")


SHELL = FishComplete
