"""Our models and methods in lmms-eval: `lmms-eval --model harness --model_args method=vista,pretrained=...`.

lmms-eval finds this through its entry-point group `lmms_eval.models` (`manifest`).
"""

from __future__ import annotations

from typing import Any

from lmms_eval.api.model import lmms  # pyright: ignore[reportMissingImports]

from harness.core import Missing, Reply, Request, user
from harness.interop.peer_model import Engine, decoding
from harness.interop.pictures import placed, visuals
from harness.interop.task_files import lacking

TOKENS = 1024
"""New tokens where a task names none, as lmms-eval's llava_hf."""


def manifest() -> Any:
    """What lmms-eval's registry of models asks for."""
    from lmms_eval.models.registry_v2 import ModelManifest  # pyright: ignore[reportMissingImports]

    return ModelManifest(model_id="harness", simple_class_path="harness.interop.lmms_eval.HarnessLMM")


class HarnessLMM(lmms):
    """Arguments are `Engine`'s: pretrained, method (joined by "+"), dtype, device, METHOD.KEY ..."""

    is_simple = True

    def __init__(
        self,
        pretrained: str = "tiny-llava",
        method: str = "vanilla",
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        device: str | None = None,
        seed: int = 0,
        **settings: Any,
    ):
        super().__init__()
        try:  # lmms-eval imports it next, and its own error does not name the fix
            import filelock._api  # noqa: F401  # pyright: ignore[reportMissingImports]
        except ImportError as e:
            raise Missing(lacking("lmms-eval", e)) from e
        where = {"device": device} if device else {}
        self.engine = Engine("lmms_eval", pretrained, method, batch_size, seed, **where, **settings)

    def _parts(self, context: str, see: Any, doc_id: int, task: str, split: str) -> list[Any]:
        return placed(context, visuals(see, lambda: self.task_dict[task][split][doc_id], f"{task}:{doc_id}"))

    def generate_until(self, requests: list[Any]) -> list[str]:
        """Equal requests of a task with repeats are drawn apart."""
        asked, how = [], []
        seen: dict[str, int] = {}
        for request in requests:
            context, given, see, doc_id, task, split = request.args
            until = given.get("until") or ()
            stop = tuple(s for s in ((until,) if isinstance(until, str) else until) if s)
            parts = self._parts(context, see, doc_id, task, split)
            new = Request(user(*parts), int(given.get("max_new_tokens") or TOKENS), stop)
            seen[f"{task} {doc_id}"] = draw = seen.get(f"{task} {doc_id}", -1) + 1
            asked.append(Request(new.messages, new.max_new_tokens, stop, draw))
            how.append(decoding(given))
        return self.engine.answer(asked, how)

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """(mean loss over the continuation's tokens, whether greedy decoding gives it): lmms-eval takes the least."""
        asked = []
        for request in requests:
            context, target, see, doc_id, task, split = request.args
            said = target(self.task_dict[task][split][doc_id]) if callable(target) else target
            parts = self._parts(context, see, doc_id, task, split)
            asked.append(Request(user(*parts), 1, continuations=(str(said),)))
        found = [Reply(text).likelihoods[0] for text in self.engine.answer(asked)]
        return [(-one.logprob / one.tokens, one.greedy) for one in found]

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        raise NotImplementedError("harness answers single rounds in lmms-eval: choose a task of generate_until")
