"""bash 4.4 and newer: words come as they were typed, cut at ``COMP_WORDBREAKS``; the answer is typed text again.

https://www.gnu.org/software/bash/manual/html_node/Programmable-Completion.html
"""

from __future__ import annotations

import os
import re

from click.shell_completion import CompletionItem, split_arg_string

from .shells import Shell, described

_SCRIPT = r"""# bash completion for runnerctl. Made by `make generate`: change runnerctl/cli/completing/bash.py instead.

_%(prog_name)s() {
    local answer line program=${1/#\~\//$HOME/} words
    words=$(IFS=$'\x1f'; printf %%s "${COMP_WORDS[*]:0:COMP_CWORD+1}")
    answer=$(COMP_WORDS=$words COMP_LISTING=$((COMP_TYPE == 63)) %(complete_var)s=bash_complete "$program" 2>/dev/null)
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            dir,*) compopt -o dirnames ;;
            file,*) compopt -o default ;;
            plain,*) COMPREPLY+=("${line#plain,}") ;;
        esac
    done <<<"$answer"
}

complete -o nosort -F _%(prog_name)s %(prog_name)s
"""

_BREAKS = "=:"
"""Of ``COMP_WORDBREAKS``, what may be inside of a word of ours."""
_SPECIAL = re.compile(r"([^A-Za-z0-9_@%+=:,./-])", re.ASCII)
_SPECIAL_IN_QUOTES = re.compile(r'(["$`\\])')
_WIDEST = 76


class BashComplete(Shell):
    name = "bash"
    source_template = _SCRIPT

    def words(self) -> list[str]:
        """Joined again where bash cut them."""
        words: list[str] = []
        goes_on = False
        for word in super().words():
            breaks = bool(word) and not word.strip(_BREAKS)
            if words and (breaks or goes_on):
                words[-1] += word
            else:
                words.append(word)
            goes_on = breaks
        self._typed, self._replaced = words[-1], "" if goes_on else super().words()[-1]
        return [_plain(word) for word in words]

    def format_completion(self, item: CompletionItem) -> str:
        if item.type != "plain":
            return f"{item.type},"
        whole = self.prefix + quoted(item.value, self._replaced[:1])
        return f"plain,{whole[len(self._typed) - len(self._replaced) :]}"

    def complete(self) -> str:
        """With descriptions where bash shows a list and inserts nothing (the second tabulator)."""
        answer = super().complete()
        lines = answer.splitlines()
        if os.environ.get("COMP_LISTING") != "1" or len(lines) < 2:
            return answer
        args, incomplete = self.get_completion_args()
        helps = [described(item) for item in self.get_completions(args, incomplete)]
        width = max(map(len, lines))
        return "".join(
            f"{line:{width}}  ({help_})"[:_WIDEST] + "\n" if help_ else f"{line}\n"
            for line, help_ in zip(lines, helps, strict=True)
        )


def quoted(value: str, quote: str) -> str:
    """As it is typed after that quote, which bash closes by itself."""
    if quote == "'":
        return value.replace("'", r"'\''")
    return (_SPECIAL_IN_QUOTES if quote == '"' else _SPECIAL).sub(r"\\\1", value)


def _plain(word: str) -> str:
    return "".join(split_arg_string(word)) if word else ""


SHELL = BashComplete
