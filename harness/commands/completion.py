"""harness completion: a script that teaches the shell to complete harness's words."""

from __future__ import annotations

from typing import Any

from harness.config.parser import Parser, one_of

BASH = r"""_harness() {
    local line="${COMP_LINE:0:COMP_POINT}" found word strip
    word="${line##* }"; strip=""
    # bash splits words at = and :, and wants what stands behind the last of them
    [[ "$word" == *[=:]* ]] && strip="${word%"${word##*[$COMP_WORDBREAKS]}"}"
    COMPREPLY=()
    while IFS= read -r found; do
        found="${found#"$strip"}"
        COMPREPLY+=("${found// /\\ }")
        [[ "$found" == *[=/] || ( "$found" == *"["* && "$found" != *"]" ) ]] && compopt -o nospace
    done < <("$1" complete "${line#* }" 2>/dev/null)
}
complete -F _harness harness
"""
ZSH = r"""#compdef harness
_harness() {
    local -a found open
    found=("${(@f)$(${words[1]} complete "${LBUFFER#* }" 2>/dev/null)}")
    found=(${found:#})
    open=(${(M)found:#*[=/]})
    found=(${found:#*[=/]})
    compadd -S '' -- $open
    compadd -- $found
}
compdef _harness harness
"""
FISH = r"""function __harness_complete
    set -l words (commandline -opc)
    command $words[1] complete (string replace -r '^\s*\S+\s' '' -- (commandline -cp)) 2>/dev/null
end
complete -c harness -f -a '(__harness_complete)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
HELP = 'a script for the shell: eval "$(harness completion bash)"'


def add_arguments(parser: Parser) -> None:
    parser.add_argument("shell", help="the shell whose script is printed", **one_of("shell", SCRIPTS))


def run(given: Any) -> int:
    print(SCRIPTS[given.shell], end="")
    return 0
