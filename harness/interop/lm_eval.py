"""Our models and methods in lm-eval: `python -m harness.interop.lm_eval --model harness --model_args method=dola,...`.

lm-eval 0.4.13 finds models of other packages only once they are imported: running this module is `lm_eval` with that
done, and `import harness.interop.lm_eval` makes `simple_evaluate(model="harness", ...)` work.
"""

from __future__ import annotations

from typing import Any, cast

from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import normalize_gen_kwargs

from harness.core import Reply, Request, user
from harness.interop.peer_model import Engine, decoding


@register_model("harness")
class HarnessLM(LM):
    """Arguments are `Engine`'s: pretrained, method (joined by "+"), dtype, device, METHOD.KEY ..."""

    def __init__(
        self,
        pretrained: str = "smollm2",
        method: str = "vanilla",
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        device: str | None = None,
        seed: int = 0,
        **settings: Any,
    ):
        super().__init__()
        import torch

        if device and device.startswith("cuda") and not torch.cuda.is_available():
            device = None  # lm-eval's command line says cuda:0 where nobody said anything
        where = {"device": device} if device else {}
        self.engine = Engine("lm_eval", pretrained, method, batch_size, seed, **where, **settings)
        self._device = device or "auto"

    @property
    def tokenizer_name(self) -> str:
        """Identifies the tokenizer to lm-eval's cache of requests."""
        return self.engine.model.fingerprint()[:16]

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The checkpoint's own template."""
        prompts = cast(Any, self.engine.model).prompts
        return prompts.tokenizer.apply_chat_template(
            chat_history,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Continuations of one context are weighed together."""
        contexts: dict[str, list[int]] = {}
        for i, request in enumerate(requests):
            contexts.setdefault(request.args[0], []).append(i)
        asked = [
            Request(user(context), 1, plain=True, continuations=tuple(requests[i].args[1] for i in members))
            for context, members in contexts.items()
        ]
        out: dict[int, tuple[float, bool]] = {}
        for members, text in zip(contexts.values(), self.engine.answer(asked), strict=True):
            for i, one in zip(members, Reply(text).likelihoods, strict=True):
                out[i] = (one.logprob, one.greedy)
        return [out[i] for i in range(len(requests))]

    def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
        """Log-likelihoods of whole texts."""
        asked = [Request(user(""), 1, plain=True, continuations=(r.args[0],)) for r in requests]
        return [Reply(text).likelihoods[0].logprob for text in self.engine.answer(asked)]

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Equal requests of a task with repeats are drawn apart."""
        asked, how = [], []
        seen: dict[tuple[str, str], int] = {}
        for request in requests:
            context, given = request.args[:2]
            settings: dict[str, Any] = dict(normalize_gen_kwargs(given, 256))
            until = settings.get("until") or ()
            key = (context, repr(sorted(settings.items(), key=str)))
            seen[key] = draw = seen.get(key, -1) + 1
            stop = tuple(s for s in ((until,) if isinstance(until, str) else until) if s)
            asked.append(Request(user(context), int(settings["max_gen_toks"]), stop, draw, plain=True))
            how.append(decoding(settings))
        return self.engine.answer(asked, how)


def main() -> None:
    """`lm_eval` with our model registered."""
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


if __name__ == "__main__":
    main()
