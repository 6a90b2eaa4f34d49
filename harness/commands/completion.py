"""harness completion: a script that teaches the shell to complete harness's words."""

from __future__ import annotations

from typing import Any

from harness.config.parser import Parser, one_of

BASH = """_harness() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    local line="${COMP_LINE:0:COMP_POINT}"; local word="${line##* }"
    local IFS=$'\\n'
    local found=($(harness complete "${line#* }" 2>/dev/null))
    # bash splits words at "=": hand back only what stands behind it
    if [[ "$word" == *=* && "$COMP_WORDBREAKS" == *=* ]]; then found=("${found[@]#*=}"); fi
    COMPREPLY=("${found[@]}")
    [[ "${COMPREPLY[0]}" == *= ]] && compopt -o nospace
}
complete -F _harness harness
"""
ZSH = """#compdef harness
_harness() { local found; found=("${(@f)$(harness complete "${LBUFFER#* }" 2>/dev/null)}"); compadd -S '' -- $found }
compdef _harness harness
"""
FISH = """complete -c harness -f -a \\
    '(harness complete (string replace -r "^\\\\S+\\\\s?" "" -- (commandline -cp)) 2>/dev/null)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
HELP = 'a script for the shell: eval "$(harness completion bash)"'


def add_arguments(parser: Parser) -> None:
    parser.add_argument("shell", help="whose script is printed", **one_of("shell", SCRIPTS))


def run(given: Any) -> int:
    print(SCRIPTS[given.shell], end="")
    return 0
