"""A model with methods that answers a peer's requests: what stands behind `--model harness` in their tools."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from harness.core import Decoding, Metric, Outcome, Pipeline, Reply, Request, Result, Sample, Task, UsageError

MODEL_KEYS = (
    "dtype",
    "device",
    "attention",
    "revision",
    "chat",
    "family",
    "pad",
    "gguf",
    "compile",
    "linear",
    "graphs",
    "lookup",
)


class _Asked(Task):
    """A list of requests; the answers are the outcomes."""

    name = "peer"

    def __init__(self, requests: Sequence[Request]):
        self.requests = requests

    def samples(self) -> Iterator[Sample]:
        for i in range(len(self.requests)):
            yield Sample(str(i), str(i), "all", None)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        reply = yield self.requests[int(sample.id)]
        return Outcome(reply.text, {})

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return []

    def fingerprint(self) -> str:
        return ""


class Engine:
    """Loads once, answers many lists of requests.

    Args:
        peer: "lm_eval" or "lmms_eval": what presets of methods are looked up for.
        pretrained: A model's name here (`harness list models`), or a hub name or path.
        method: Names of methods, joined by "+".
        batch_size: Rows of a batch; "auto" or None: as many as fit.
        seed: Of sampling and of methods that draw.
        settings: `dtype`, `device`, `attention` ... of the model, and methods' numbers as `vista.lam`.

    Raises:
        UsageError: a name or a number is not known, with the nearest ones.
        Missing: the checkpoint cannot be loaded.
    """

    def __init__(
        self,
        peer: str,
        pretrained: str,
        method: str = "vanilla",
        batch_size: int | str | None = None,
        seed: int = 0,
        **settings: Any,
    ):
        from harness.engine import artefacts
        from harness.plugins.build import build_methods, build_model

        config = _composed(peer, pretrained, method, settings)
        self.model, methods = build_model(config["model"]), build_methods(config["method"])
        self.pipelines = [m for m in methods if isinstance(m, Pipeline)]
        steering = [m for m in methods if not isinstance(m, Pipeline)]
        self.rows = None if batch_size in (None, "auto") else int(batch_size)
        self.seed = seed
        self.model.load(steering)
        artefacts.provide(steering, self.model, config["calibration"], config["results"], lambda _: None)

    def answer(self, requests: Sequence[Request], decodings: Sequence[Decoding] | None = None) -> list[str]:
        """One text per request, in order; equal requests are asked once. Raises RuntimeError where one fails, since
        the peers have no place for an answer that is missing."""
        from harness.engine.schedule import Scheduler

        each = list(decodings or [Decoding()] * len(requests))
        texts: dict[int, str] = {}
        for decoding in dict.fromkeys(each):
            members = [i for i, d in enumerate(each) if d == decoding]
            task = _Asked([requests[i] for i in members])
            results: list[Result] = []
            scheduler = Scheduler(
                task, self.model, self.pipelines, decoding, seed=self.seed, rows=self.rows, report=results.extend
            )
            scheduler.run(list(task.samples()))
            for result in results:
                if result.outcome is None:
                    assert result.error is not None
                    raise RuntimeError(f"harness could not answer: {result.error['type']}: {result.error['message']}")
                texts[members[int(result.id)]] = result.outcome.answer
        return [texts[i] for i in range(len(requests))]


def decoding(settings: dict[str, Any]) -> Decoding:
    """Decoding from a peer's generation settings: greedy unless they set do_sample with a temperature, or beams."""
    if int(settings.get("num_beams") or 1) > 1:
        return Decoding("beam", num_beams=int(settings["num_beams"]))
    heat = float(settings.get("temperature") or 0)
    if not heat or settings.get("do_sample") is False:
        return Decoding()
    return Decoding(
        "nucleus", temperature=heat, top_p=float(settings.get("top_p") or 1.0), top_k=int(settings.get("top_k") or 0)
    )


def _composed(peer: str, pretrained: str, method: str, settings: dict[str, Any]) -> dict[str, Any]:
    """The configuration that `harness eval` would make of these words."""
    from pathlib import Path

    from harness.config import compose
    from harness.plugins.registry import Registry

    known = pretrained in Registry().models
    words = [f"task={peer}", "task.name=peer", *([f"model={pretrained}"] if known else ["model=hf"])]
    words += [] if known else [f"model.path={pretrained}"]
    names = [n for n in method.replace(",", "+").split("+") if n]
    words.append(f"method=[{','.join(names)}]" if len(names) > 1 else f"method={names[0]}")
    for key, value in settings.items():
        if key in MODEL_KEYS:
            words.append(f"model.{key}={value}")
        elif "." in key:
            words.append(f"method.{key}={value}")
        else:
            raise UsageError(f"unknown argument {key}: give {', '.join(MODEL_KEYS)}, or a method's METHOD.KEY")
    found: dict[str, Any] = {}

    def keep(config: dict[str, Any]) -> int:
        found.update(config)
        return 0

    if code := compose.run(words, keep):
        raise UsageError(f"harness cannot read its model_args (see above, exit code {code})")
    found["results"] = Path(found["results"])
    return found
