"""Soft injection: mean head outputs of few-shot prompts, mixed into a zero-shot prompt (arXiv 2507.20906)."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Batch, Inputs, Steering, View
from harness.steering.bench import Bench, Question
from harness.steering.forward import undisturbed
from harness.steering.inputs import collate

RATE = 0.2
EVERY, HELD_OUT = 50, 100
SEED = 0


class SoftInjection(Steering):
    """a <- (1 - alpha) a + alpha t in every head, at the last token of the prompt."""

    name = "soft_injection"
    refills = True
    calibrated_by = ("prompts", "shots", "steps")

    def __init__(self, strength: float, prompts: int, shots: int, steps: int):
        """`strength`: factor on the learned weights alpha; 0 for none. `prompts`: few-shot prompts that the task's
        embedding t is the mean of. `shots`: demonstrations in each. `steps`: of Adam that learn alpha."""
        if not 0 <= strength <= 1:
            raise UsageError(f"method.{self.name}.strength={strength} must lie in [0, 1]")
        if min(prompts, shots, steps) < 1:
            raise UsageError(f"method.{self.name} needs prompts, shots and steps of at least 1")
        self.strength, self.prompts, self.shots, self.steps = strength, prompts, shots, steps

    @property
    def needs_artefact(self) -> bool:
        return self.strength > 0

    def heads(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        if not self.strength or not batch.prefill:
            return None
        if self.artefact is None:
            raise UsageError(
                f"method={self.name} has no task embedding: run harness calibrate method={self.name} first"
            )
        t, alpha = (self.artefact[k][l].to(x) for k in ("t", "alpha"))
        out = x.clone()
        out[:, -1] = mixed(x[:, -1], t, self.strength * alpha)
        return out

    def calibrate(self, bench: Bench) -> dict[str, Tensor]:
        """t [L, H, D], alpha [L, H]; losses on held-out questions before and after. Raises UsageError for fewer
        questions than a prompt has demonstrations."""
        view, rng = bench.view, random.Random(SEED)
        questions = list(bench.questions)
        rng.shuffle(questions)
        cut = max(1, min(HELD_OUT, len(questions) // 4))
        held, seen = questions[:cut], questions[cut:]
        if len(seen) <= self.shots:
            raise UsageError(
                f"method.{self.name}.shots={self.shots} needs more than {self.shots} questions to calibrate on, and "
                f"there are {len(seen)}: give fewer shots"
            )
        with undisturbed(view):
            t = torch.stack([self._outputs(bench, rng.sample(seen, self.shots + 1)) for _ in range(self.prompts)]).mean(
                0
            )
            alpha, before, after = self._learned(bench, t, seen, held, rng)
        return {"t": t.cpu(), "alpha": alpha.cpu(), "loss": torch.tensor([before, after])}

    def _outputs(self, bench: Bench, shown: Sequence[Question]) -> Tensor:
        """Head outputs [L, H, D] at the end of a prompt that shows all but the last question with their answers."""
        few = "".join(f"{q.text}\n{q.answer}\n\n" for q in shown[:-1])
        kept: dict[int, Tensor] = {}

        def keep(l: int, x: Tensor) -> Tensor:
            kept[l] = x[0].float()
            return x

        with _at_last(bench.view, keep):
            _scores(bench.view, bench.encode(shown[-1].asked(few)))
        return torch.stack([kept[l] for l in range(bench.view.depth)])

    def _learned(
        self, bench: Bench, t: Tensor, seen: Sequence[Question], held: Sequence[Question], rng: random.Random
    ) -> tuple[Tensor, float, float]:
        """The weights with the lowest loss on held-out questions, and that loss without and with them."""
        view = bench.view
        z = torch.zeros(t.shape[:2], device=t.device, requires_grad=True)
        optimiser = torch.optim.Adam([z], lr=RATE)

        def loss(question: Question, weight: Tensor) -> Tensor:
            with _at_last(view, lambda l, x: mixed(x, t[l].to(x), weight[l].to(x))):
                scores = _scores(view, bench.encode(question.asked()))
            return -scores.log_softmax(-1)[list(view.begins(question.answer))].logsumexp(-1)

        def held_out(weight: Tensor) -> float:
            with torch.no_grad():
                return float(torch.stack([loss(q, weight) for q in held]).mean())

        before = held_out(torch.zeros_like(z))
        best, chosen = before, torch.zeros_like(z)
        for step in range(1, self.steps + 1):
            with torch.enable_grad():
                loss(rng.choice(list(seen)), z.sigmoid()).backward()
            optimiser.step()
            optimiser.zero_grad()
            if (step % EVERY == 0 or step == self.steps) and (now := held_out(z.detach().sigmoid())) < best:
                best, chosen = now, z.detach().sigmoid().clone()
        return chosen, before, best


def mixed(x: Tensor, t: Tensor, alpha: Tensor) -> Tensor:
    """Head outputs x [b, H, D] with a share alpha [H] of the task's embedding t [H, D]."""
    share = alpha[:, None]
    return (1 - share) * x + share * t


def _scores(view: View, sample: Inputs) -> Tensor:
    """Next-token logits [V] of one prompt, in a plain pass through which gradients flow."""
    tensors = collate([sample], pad=view.pad, cuts=[0], pictures=True, device=view.device, dtype=view.dtype)
    model = view.model if not view.needs_picture or sample.sees else view.text_model
    return model(**tensors, use_cache=False).logits[0, -1].float()


@contextlib.contextmanager
def _at_last(view: View, edit: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """While open, the heads' outputs at the last position [1, H, D] of each layer go through `edit`."""

    def hook(l: int) -> Callable[..., Any]:
        def before(_module: Any, args: Any) -> Any:
            x = args[0].unflatten(-1, (view.n_heads, -1))
            last = edit(l, x[:, -1])
            return (torch.cat([x[:, :-1], last[:, None]], 1).flatten(-2), *args[1:])

        return before

    with contextlib.ExitStack() as stack:
        for l in range(view.depth):
            stack.callback(view.projection(l).register_forward_pre_hook(hook(l)).remove)
        yield
