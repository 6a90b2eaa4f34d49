"""Any stock Hugging Face image-text-to-text or causal model, with steering methods attached."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from itertools import groupby
from pathlib import Path
from typing import Any

from harness.core.decoding import Decoding
from harness.core.dress import Dress
from harness.core.errors import HarnessError, UsageError
from harness.core.method import Method
from harness.core.model import Call, Model, Sent
from harness.core.picture import Picture
from harness.core.task import Task
from harness.core.trials import Trials
from harness.core.types import Reply
from harness.models.hf.unpacked import is_small, unpacked
from harness.models.hf.weights import best_device, checkpoint_digest, locate

_LOADED: dict[tuple[str, str], tuple[Any, Any]] = {}
"""Fingerprint and device -> model and prompts of the last loaded checkpoint: a sweep over methods loads it once."""

DEVICE = re.compile(r"(cpu|cuda|mps|xpu|npu|hpu)(:\d+)?|balanced|sequential")


class HFModel(Model):
    """Answers with `generate()` of transformers; batches share what prompts have in common."""

    captures = True
    packages = ("torch", "transformers")

    def __init__(
        self,
        name: str,
        family: str | None,
        data: str,
        path: str,
        revision: str | None,
        dtype: str,
        device: str,
        attention: str,
        chat: str,
        pad: str | bool,
        gguf: str | None = None,
        compile: bool = False,  # noqa: A002  # the name of the setting
        partial: bool = False,
        trust: bool = False,
        linear: str = "auto",
        graphs: bool = True,
        lookup: bool = False,
    ):
        self.name, self.family, self.data, self.path, self.revision = name, family, data, locate(path), revision
        self.gguf, self.compile, self.partial, self.trust = gguf, bool(compile), partial, trust
        self.device = best_device() if device == "auto" else device
        self.dtype = dtype if dtype != "auto" else ("float32" if self.device in ("cpu", "mps") else "bfloat16")
        if self.dtype not in ("float32", "bfloat16", "float16"):
            raise UsageError(f"model.dtype={dtype} is unknown: choose auto, float32, bfloat16 or float16")
        if not DEVICE.fullmatch(self.device):
            raise UsageError(
                f"model.device={device} is unknown: give auto, cpu, cuda, cuda:1, mps, or a device map such as balanced"
            )
        if pad not in ("auto", True, False):
            raise UsageError(f"model.pad={pad} is unknown: choose auto, true or false")
        if attention not in ("sdpa", "eager", "flash_attention_2"):
            raise UsageError(f"model.attention={attention} is unknown: choose sdpa, eager or flash_attention_2")
        if linear not in ("auto", "stock", "packed"):
            raise UsageError(f"model.linear={linear} is unknown: choose auto, stock or packed")
        if linear == "packed" and (self.device != "cpu" or self.compile or self.dtype == "float16"):
            raise UsageError("model.linear=packed is for float32 or bfloat16 on a CPU without model.compile: give auto")
        if chat not in ("auto", "plain"):
            raise UsageError(f"model.chat={chat} is unknown: choose auto or plain")
        self.attention, self.chat, self.linear = attention, chat, linear
        self.graphs, self.lookup = bool(graphs), bool(lookup)
        self.pad = self.dtype == "float32" if pad == "auto" else bool(pad)
        self.methods: Sequence[Any] = ()
        self._work: Any = None
        self._task: Task | None = None

    def fingerprint(self) -> str:
        facts = [self._checkpoint, self.dtype, self.device.split(":")[0], self.attention, self.chat]
        facts += ["compiled"] if self.compile else []
        facts += [f"gguf {self.gguf}"] if self.gguf else []
        facts += ["padded"] if self.pad and self.dtype != "float32" else []  # there left padding changes tokens
        facts += ["partial"] if self.partial else []
        # What auto finds faster is the machine's, as its instruction set is: both move the same logits by rounding.
        facts += [f"linear {self.linear}"] if self.linear != "auto" else []
        facts += [] if self.graphs else ["no graphs"]
        facts += ["trusted"] if self.trust else []  # its own code runs instead of transformers'
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def admit(self, dress: Dress) -> None:
        from harness.models.hf.admission import admit

        admit(self.prompts, dress, self.name)

    def accept(self, decoding: Decoding) -> None:
        from harness.models.hf.extra import check

        check(decoding)

    @cached_property
    def _checkpoint(self) -> str:
        return checkpoint_digest(self.path, self.revision)

    def load(self, methods: Sequence[Method]) -> None:
        from harness.models.hf.light import light

        with nullcontext() if self.compile else light():
            self._loaded(methods)

    def _loaded(self, methods: Sequence[Method]) -> None:
        from harness.models.hf.answering import Answering
        from harness.models.hf.batching import Batching
        from harness.models.hf.enlarged import Enlarged
        from harness.steering import Steering, View, require
        from harness.steering.attention_maps import covered
        from harness.steering.declared import declared
        from harness.steering.last_row import agrees
        from harness.steering.shown import Shown
        from harness.steering.turns import Turns

        steering: list[Steering] = []
        for method in methods:
            if not isinstance(method, Steering):
                raise UsageError(f"method={method.name} steers nothing that model={self.name} knows: see its YAML")
            steering.append(method)
        if methods and self.attention == "flash_attention_2":
            raise UsageError("steering methods need model.attention=sdpa: flash_attention_2 shows no attention to edit")
        if methods and self.compile:
            raise UsageError("steering methods edit what model.compile=true would fix: leave model.compile out")
        key = (self.fingerprint(), self.device)
        if key not in _LOADED:
            _LOADED.clear()
            _LOADED[key] = self._load()
        self.model, self.prompts = _LOADED[key]
        self.view = View(self.model)
        self._work = self.view.work
        self.view.shown = None if self.pad or self.device != "cpu" else Shown()
        self.view.turns = Turns()
        self.view.ends_alone = not self.compile and agrees(self.view)
        self.view.encode, self.view.decode = self.prompts.encode, self.prompts.tokenizer.decode
        self.view.tokenizer, self.view.enlarged = self.prompts.tokenizer, Enlarged(self.prompts.processor)
        self.view.covered = partial(covered, processor=self.prompts.processor)
        self.prompts.cut = 0
        self.prompts.mark_questions = any(m.reads_question for m in steering)
        if self.graphs and self.device.startswith("cuda") and not self.compile:
            from harness.steering.recorded import Recordings

            self.view.recordings = Recordings()
        self.methods = tuple(steering)
        for method in steering:
            declared(self.view, method)
        require(self.view, steering)
        shares = all(m.prefix != "none" for m in steering)
        self.batching = Batching(self.prompts, self.view, self.device, self.pad, 1 + len(self.methods), shares)
        self.answering = Answering(
            self.name, self.prompts, self.view, self.batching, self.methods, self.lookup, self._task, self.say
        )

    def _load(self) -> tuple[Any, Any]:
        import torch
        from transformers.utils import logging

        from harness.models.hf import placing
        from harness.models.hf.faster import group_heads
        from harness.models.hf.loading import fault
        from harness.models.hf.prompts import KEPT_BYTES, Prompts

        group_heads(self.device)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        placing.check(self.device, self.dtype)
        spread = self.device in ("balanced", "sequential")
        try:
            model, processor = self.read(
                dtype=getattr(torch, self.dtype),
                attn_implementation=self.attention,
                device_map="auto" if spread else None,
            )
        except (HarnessError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as e:  # readers of damaged files raise anything
            raise fault(self.name, self.path, e) from e
        model = (model if spread else placing.place(model, self.device)).eval().requires_grad_(False)
        placing.hasten(model, self.device, compiled=self.compile, linear=self.linear)
        placing.pad_with(model, getattr(processor, "tokenizer", processor))
        # Half precision plans by length: the whole window's pictures are preprocessed before the first is asked about.
        keep = KEPT_BYTES if self.pad else 16 * KEPT_BYTES
        threads = None if self.device.startswith("cuda") else 0
        return model, Prompts(processor, model.config, chat=self.chat, keep=keep, threads=threads)

    def read(self, **options: Any) -> tuple[Any, Any]:
        """The model and its processor (or tokenizer), with these options of `from_pretrained`.

        Raises Missing, UsageError or what transformers raises where they cannot be read.
        """
        from harness.models.hf.loading import Checkpoint, read

        path, gguf = self.path, self.gguf
        if gguf and is_small(Path(path), gguf):
            path, gguf = str(unpacked(Path(path), gguf)), None
        return read(Checkpoint(path, self.revision, gguf, self.partial, self.trust), **options)

    def remarks(self) -> list[str]:
        from harness.models.hf.files import unsaid

        lacks = "model.partial=true: weights that the checkpoint lacks are random, and none are checked"
        return [line for line in (lacks if self.partial else "", unsaid(Path(self.path), self.gguf)) if line]

    def describe(self) -> dict[str, Any]:
        from harness.models.hf.linear import is_packed
        from harness.steering.blocks import BLOCKS

        waits = self._waits(Decoding())
        return {
            "path": self.path if not self.path.startswith("/") else self.path.rstrip("/").rsplit("/", 1)[-1],
            "checkpoint": self._checkpoint,
            "class": type(self.model).__name__,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "dtype": self.dtype,
            "device": str(self.model.device),
            "attention": "sdpa, long prompts in blocks" if self.view.implementation == BLOCKS else self.attention,
            "compile": self.compile,
            "linear": "packed" if is_packed(self.model) else "stock",
            "lookup": self.lookup and not waits and not self.methods,
            "batches": f"wait for their longest answer ({waits})" if waits else "refilled",
        }

    def calibrate(
        self,
        method: Method,
        pictures: Sequence[tuple[Picture, tuple[str, ...]]],
        questions: Sequence[tuple[str, str]] = (),
        trials: Trials | None = None,
    ) -> dict[str, Any]:
        from harness.steering import Steering
        from harness.steering.bench import Annotated, Bench

        assert isinstance(method, Steering)
        annotated = [Annotated(*p) for p in pictures]
        return method.calibrate(Bench(self.view, annotated, self.prompts.encode, questions, trials or Trials()))

    def work(self) -> dict[str, int]:
        return {"passes": self._work.passes, "positions": self._work.positions} if self._work else {}

    def close(self) -> None:
        """Let go of the weights, so that a judge finds room; the last loaded ones are kept for a next run."""
        for name in ("model", "prompts", "view", "batching", "answering"):
            if hasattr(self, name):
                delattr(self, name)
        self.methods = ()

    def bind(self, task: Task) -> None:
        self._task = task

    def prepare(self, call: Call) -> None:
        if call.request.continuations:
            super().prepare(call)
        else:
            self.answering.prepare(call)

    def plan(self, calls: Sequence[Call], rows: int | None) -> Iterator[list[Call]]:
        from harness.models.hf.batching import merged

        batches = self.batching.plan(calls, rows)
        yield from batches if self._waits(Decoding()) else merged(batches)

    def _waits(self, decoding: Decoding) -> str:
        """What makes batches wait for their longest answer; "" where samples that end make room for others."""
        from harness.steering.refill import hindrance

        if not self.pad or self.compile:  # in half precision padding changes tokens
            return f"model.dtype={self.dtype}" if not self.pad else "model.compile"
        if self.device.startswith("cuda"):  # there steps of whole batches are replayed
            return f"model.device={self.device}"
        return hindrance(self.view, self.methods, decoding)

    def answers(
        self,
        calls: Sequence[Call],
        decoding: Decoding,
        rows: int | None,
        further: Callable[[], Sequence[Call]] = tuple,
    ) -> Iterator[tuple[Sequence[Call], list[Reply]]]:
        from harness.models.hf.answering import apart

        waits = self._waits(decoding)
        while calls:
            left: list[Call] = []
            if waits or any(map(apart, calls)):
                for batch in self.batching.plan(calls, rows):
                    yield batch, self.answer(batch, decoding)
            else:
                yield from self.answering.refilled(calls, decoding, rows, further, left)
            calls = left

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        return self.answering.answer(calls, decoding)

    def sent(self, call: Call, decoding: Decoding) -> list[Sent]:
        from harness.steering.generation import prompts

        image, tokenizer = self.prompts.image_id, self.prompts.tokenizer
        found = []
        for name, row in prompts(self.view, self.prompts.encode(call.request), self.methods).items():
            ids = row.tensors["input_ids"][0].tolist()
            text = ""
            for visual, run in groupby(ids, lambda token: token == image):
                some = list(run)
                said = tokenizer.decode(some[:1] if visual else some, skip_special_tokens=False)
                text += f"{said}[x {len(some)}]" if visual else said
            pixels = row.tensors.get("pixel_values")
            shape = () if pixels is None else tuple(pixels.shape)
            found.append(Sent(name, text, len(ids), ids.count(image), ids, shape))
        return found
