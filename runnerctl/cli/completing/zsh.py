"""zsh: it quotes by itself, shows descriptions, and is told to look behind an ``=`` only.

https://zsh.sourceforge.io/Doc/Release/Completion-System.html
"""

from __future__ import annotations

from click.shell_completion import CompletionItem

from .shells import Shell, described

_SCRIPT = r"""#compdef %(prog_name)s
# zsh completion for runnerctl. Made by `make generate`: change runnerctl/cli/completing/zsh.py instead.

_%(prog_name)s() {
    local program=${${(Q)words[1]}/#\~\//$HOME/} typed line kind rest
    local -a found described
    typed=${(pj:\x1f:)${(@Q)words[1,CURRENT-1]}}$'\x1f'${(Q)PREFIX}
    found=("${(@f)$(COMP_WORDS=$typed %(complete_var)s=zsh_complete $program 2>/dev/null)}")
    [[ $PREFIX == --*=* ]] && compset -P 1 '*='
    for line in $found; do
        kind=${line%%%%,*} rest=${line#*,}
        case $kind in
            dir) _files -/ ;;
            file) _files ;;
            plain) described+=("$rest") ;;
        esac
    done
    (( $#described )) && _describe -V runnerctl described -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}'
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _%(prog_name)s "$@"
else
    compdef _%(prog_name)s %(prog_name)s
fi
"""


class ZshComplete(Shell):
    name = "zsh"
    source_template = _SCRIPT

    def format_completion(self, item: CompletionItem) -> str:
        """``_describe`` takes what is before the first bare colon for the value."""
        if item.type != "plain":
            return f"{item.type},"
        value = item.value.replace("\\", "\\\\").replace(":", "\\:")
        about = described(item).replace("\\", "\\\\")
        return f"plain,{value}:{about}" if about else f"plain,{value}"


SHELL = ZshComplete
