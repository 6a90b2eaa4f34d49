"""harness completion: a script that teaches the shell to complete harness's words."""

from __future__ import annotations

from collections.abc import Sequence

from harness.commands.words import parser
from harness.core.errors import UsageError

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


def main(words: Sequence[str]) -> int:
    arguments = parser("completion", 'a script for the shell: eval "$(harness completion bash)"')
    arguments.add_argument("shell", metavar="bash|zsh|fish", help="whose script is printed")
    given = arguments.parse_args(words)
    if given.shell not in SCRIPTS:
        raise UsageError(f"harness completion {given.shell}: choose {', '.join(SCRIPTS)}")
    print(SCRIPTS[given.shell], end="")
    return 0
