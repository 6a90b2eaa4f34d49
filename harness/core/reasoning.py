"""The thinking that today's models write before they answer is taken off, so that nothing parses it as the answer."""

from __future__ import annotations

import re

TAG = re.compile(
    r"""
      (?P<open>
          <(?:[a-z][\w.-]*[:_])?(?:think|thinking|thoughts?|reasoning)>         # DeepSeek, Qwen, GLM, Seed, ...
        | (?-i:\[THINK\])                                                       # Mistral
        | ◁think▷                                                               # Kimi-VL
        | <\|open\|>think<\|sep\|>                                              # Kimi K3
        | <\|channel>                                                           # Gemma 4
        | <unused94>                                                            # MedGemma
        | <\|start_thinking\|>                                                  # Command A
        | <\|begin_of_thought\|>                                                # Sky-T1, OpenThinker
        | <\|inner_prefix\|>                                                    # Apertus
        | \A\s*(?-i:Here(?:'s|\ is)\ my\ thought\ process:)                     # Granite 3
      )
    | (?P<close>
          </(?:[a-z][\w.-]*[:_])?(?:think|thinking|thoughts?|reasoning)>
        | (?-i:\[/THINK\])
        | ◁/think▷
        | <\|close\|>think<\|sep\|>
        | <channel\|>
        | <unused95>
        | <\|end_thinking\|>
        | <\|end_of_thought\|>
        | <\|inner_suffix\|>
        | (?-i:Here(?:'s|\ is)\ my\ response:)
      )
    """,
    re.IGNORECASE | re.VERBOSE,
)
MARKS = ("<", "[/THINK]", "[THINK]", "◁", "my thought process:", "my response:", "analysis")
"""One of these is in every text with thinking, and in few others."""
FRAME = re.compile(
    r"<\|(?:START|END)_RESPONSE\|>|<\|(?:begin|end)_of_solution\|>|<\|(?:open|close)\|>response<\|sep\|>"
)
"""What these models put around the answer itself; taken off together with the thinking."""
HARMONY = re.compile(
    r"<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>(.*?)"
    r"(?=<\|(?:end|return|call|start|channel)\|>|\Z)",
    re.DOTALL,
)
"""A message of gpt-oss: its channel (analysis, commentary, final), and its text."""
HARMONY_OPEN = re.compile(r"<\|channel\|>analysis<\|message\|>\Z")
BARE = re.compile(r"""\A\s*analysis(?=[A-Z"“(*]).*?assistantfinal(?P<answer>.*)\Z""", re.DOTALL)
"""The same, decoded without special tokens."""
BARE_OPEN = re.compile(r"\A\s*analysis(?=[A-Z])")


def answered(text: str) -> str:
    """What is left of a model's text without its thinking; the very text where it holds none.

    A closing tag without an opening one ends what the chat template opened. A block that is never closed leaves
    nothing: there is no answer yet. Applied twice, it changes nothing more.
    """
    while (less := _once(text)) != text:
        text = less
    return text


def wrapped(thinking: str, text: str) -> str:
    """A text with its thinking, which a server gave apart, in front."""
    thinking = TAG.sub("", thinking).replace("<|channel|>", "")
    return f"<think>{thinking}</think>{text}" if thinking.strip() else text


def opened(prompt: str) -> str:
    """The opening tag with which a prompt ends, so that the answer begins inside the thinking; "" for none."""
    tail = prompt.rstrip()[-64:]
    for tag in TAG.finditer(tail):
        if tag["open"] is not None and tag.end() == len(tail):
            return tag[0]
    end = HARMONY_OPEN.search(tail)
    return end[0] if end else ""


def _once(text: str) -> str:
    if not any(mark in text for mark in MARKS):
        return text
    if "<|channel|>" in text and "<|message|>" in text:
        return "".join(said for channel, said in HARMONY.findall(text) if channel == "final").strip()
    if bare := BARE.match(text):
        return bare["answer"].strip()
    if BARE_OPEN.match(text):
        return ""
    parts, start, inside, found = list[str](), 0, False, False
    for tag in TAG.finditer(text):
        found = True
        if tag["open"] is not None:
            if not inside:
                parts.append(text[start : tag.start()])
            inside = True
        else:
            if not inside:
                parts = []
            start, inside = tag.end(), False
    if not found:
        return text
    return "" if inside else FRAME.sub("", "".join([*parts, text[start:]])).strip()
