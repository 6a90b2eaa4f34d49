"""A model that grades answers: prompts, verdicts, what it remembers, and how it agrees with exact scores."""

from harness.judge.judge import Judge, build_judge
from harness.judge.verdict import Verdict

__all__ = ["Judge", "Verdict", "build_judge"]
