"""Any stock Hugging Face image-text-to-text or causal model, with steering methods attached."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, cached_property, partial
from itertools import count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.decoding import Decoding
from harness.core.dress import Dress
from harness.core.errors import HarnessError, UsageError, first_line
from harness.core.method import Method
from harness.core.model import Call, Model, Sent
from harness.core.task import Task
from harness.core.trials import Trials
from harness.core.types import Picture, Reply
from harness.models.hf.unpacked import is_small, unpacked
from harness.models.hf.weights import best_device, checkpoint_digest, locate

if TYPE_CHECKING:
    from harness.steering import Inputs
    from harness.steering.refill import Asked

_LOADED: dict[tuple[str, str], tuple[Any, Any]] = {}
"""Fingerprint and device -> model and prompts of the last loaded checkpoint: a sweep over methods loads it once."""

NONE: Mapping[int, str] = {}

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
        self._ready: dict[int, tuple[Call, Any]] = {}
        self._preparing = 0.0
        self._told = self._told_cut = False
        self._work: Any = None
        self._numbers = count()

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
        from harness.models.hf.batching import Batching
        from harness.models.hf.choices import tokens_of
        from harness.models.hf.enlarged import Enlarged
        from harness.models.hf.thinking import Thinking
        from harness.steering import Steering, View, require
        from harness.steering.attention_maps import covered
        from harness.steering.shown import Shown

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
        self.view.encode, self.view.decode = self.prompts.encode, self.prompts.tokenizer.decode
        self.view.tokenizer, self.view.enlarged = self.prompts.tokenizer, Enlarged(self.prompts.processor)
        self.view.covered = partial(covered, processor=self.prompts.processor)
        self.prompts.cut = 0
        self.prompts.mark_questions = any(m.reads_question for m in steering)
        if self.graphs and self.device.startswith("cuda") and not self.compile:
            from harness.steering.recorded import Recordings

            self.view.recordings = Recordings()
        self.methods = tuple(steering)
        require(self.view, steering)
        self.thinking = Thinking(self.prompts)
        self.said = cache(lambda choices: tokens_of(self.prompts.tokenizer, choices, self.name))
        shares = all(m.prefix != "none" for m in steering)
        self.batching = Batching(self.prompts, self.view, self.device, self.pad, 1 + len(self.methods), shares)

    def _load(self) -> tuple[Any, Any]:
        import torch
        from transformers.utils import logging

        from harness.models.hf.faster import group_heads, join_rows
        from harness.models.hf.loading import fault
        from harness.models.hf.prompts import KEPT_BYTES, Prompts

        group_heads(self.device)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise UsageError(f"model.device={self.device}: torch sees no CUDA device here; give model.device=cpu")
        if self.dtype == "float32":  # cuDNN's default rounds what convolutions read to TF32's 10 bits
            torch.backends.cudnn.allow_tf32 = False
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
        try:
            model = (model if spread else model.to(self.device)).eval().requires_grad_(False)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError, ImportError) as e:  # by device: not built in, not there, no such number
            raise UsageError(f"model.device={self.device} cannot be used: {first_line(e)}") from e
        if self.device == "cpu" and not self.compile:
            join_rows(model)
        if self.compile:
            model.compile(dynamic=True)
        elif self.linear != "stock":
            self._pack(model)
        if (tokenizer := getattr(processor, "tokenizer", processor)).pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        if model.generation_config.pad_token_id is None:
            model.generation_config.pad_token_id = tokenizer.pad_token_id
        # Half precision plans by length: the whole window's pictures are preprocessed before the first is asked about.
        keep = KEPT_BYTES if self.pad else 16 * KEPT_BYTES
        threads = None if self.device.startswith("cuda") else 0
        return model, Prompts(processor, model.config, chat=self.chat, keep=keep, threads=threads)

    def _pack(self, model: Any) -> None:
        """Exchange the linear layers whose weights shall be read packed."""
        from harness.models.hf.faster import fastest
        from harness.models.hf.linear import available, exchange, layers, shape

        if self.linear == "packed" and not available():
            raise UsageError("model.linear=packed: this build of torch has no oneDNN; give model.linear=stock")
        exchange(model, fastest(model) if self.linear == "auto" else dict.fromkeys(map(shape, layers(model)), 1))

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
        lacks = "model.partial=true: weights that the checkpoint lacks are random, and none are checked"
        return [lacks] if self.partial else []

    def describe(self) -> dict[str, Any]:
        from harness.models.hf.linear import is_packed

        waits = self._waits(Decoding())
        return {
            "path": self.path if not self.path.startswith("/") else self.path.rstrip("/").rsplit("/", 1)[-1],
            "checkpoint": self._checkpoint,
            "class": type(self.model).__name__,
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "dtype": self.dtype,
            "device": str(self.model.device),
            "attention": self.attention,
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
        for name in ("model", "prompts", "view", "thinking", "batching"):
            if hasattr(self, name):
                delattr(self, name)
        self.methods = ()

    def bind(self, task: Task) -> None:
        self._task = task

    def prepare(self, call: Call) -> None:
        if call.request.continuations:
            super().prepare(call)
            return
        began = time.perf_counter()
        self._ready[id(call)] = call, self.prompts.encode(call.request)
        self._preparing += time.perf_counter() - began

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
        waits = self._waits(decoding)
        while calls:
            left: list[Call] = []
            if waits or any(map(_apart, calls)):
                for batch in self.batching.plan(calls, rows):
                    yield batch, self.answer(batch, decoding)
            else:
                yield from self._refilled(calls, decoding, rows, further, left)
            calls = left

    def _refilled(
        self,
        calls: Sequence[Call],
        decoding: Decoding,
        rows: int | None,
        further: Callable[[], Sequence[Call]],
        left: list[Call],
    ) -> Iterator[tuple[Sequence[Call], list[Reply]]]:
        """The replies; `left` gets what was taken of `further` and cannot be answered beside the others."""
        from harness.steering.refill import refilled

        began, self._preparing = time.perf_counter() - self._preparing, 0.0
        going: dict[int, Call] = {}
        first = self._asked(calls, decoding, going)
        slots = self.batching.slots(max(a.inputs.length for a in first), max(a.limit for a in first))

        def joined() -> list[Asked]:
            more = further()
            left.extend(c for c in more if _apart(c))
            some = self._asked([c for c in more if not _apart(c)], decoding, going)
            self._preparing = 0.0
            large = [a for a in some if self.batching.slots(a.inputs.length, a.limit) < slots]
            left.extend(going.pop(a.number) for a in large)
            return [a for a in some if a not in large]

        answers = refilled(
            self.view,
            first,
            self.methods,
            decoding,
            min(slots, rows or slots),
            self.batching.tokens,
            self.lookup,
            joined,
        )
        try:
            for some in answers:
                each = (time.perf_counter() - began) / len(some)
                replies = [self._reply(going[a.number], a.inputs, a.made, a.limit, each) for a in some]
                yield [going.pop(a.number) for a in some], replies
                began = time.perf_counter()
        except RuntimeError as e:
            raise _memory(e) from e

    def _asked(self, calls: Sequence[Call], decoding: Decoding, going: dict[int, Call]) -> list[Asked]:
        """The calls' prompts, numbered; `going` gets the call of each number."""
        from harness.models.hf.batching import mark_shared
        from harness.steering.refill import Asked

        if not calls:
            return []
        inputs = self._inputs(calls, decoding)
        mark_shared(calls, inputs, self.prompts.image_id)
        found = [
            Asked(
                next(self._numbers),
                given,
                decoding.max_new_tokens or call.request.max_new_tokens,
                call.seed,
                tuple(filter(None, call.request.stop)),
                call.again,
            )
            for call, given in zip(calls, inputs, strict=True)
        ]
        for one, call in zip(found, calls, strict=True):
            going[one.number] = call
            if one.inputs.shared:  # others that come later may share less of the same pictures
                key, length = one.inputs.shared
                one.inputs.shared = f"{key} {found[0].number}", length
        return found

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        from harness.models.hf.batching import mark_shared
        from harness.models.hf.extra import arguments
        from harness.steering import generate
        from harness.steering.carried import mark

        if any(c.request.continuations for c in calls):
            return self._apart(calls, decoding)
        wanted = {c.request.capture for c in calls}
        if len(wanted) > 1:
            return self._parts(calls, [c.request.capture for c in calls], lambda some: self.answer(some, decoding))
        began, self._preparing = time.perf_counter() - self._preparing, 0.0
        inputs = self._inputs(calls, decoding)
        among = [self.said(c.request.choices) for c in calls] if decoding.strategy == "choices" else None
        mark_shared(calls, inputs, self.prompts.image_id)
        if self.pad:  # in half precision a pass more changes tokens
            mark(self.view, inputs)
        limit = decoding.max_new_tokens or max(c.request.max_new_tokens for c in calls)
        methods, reader = self.methods, None
        if capture := wanted.pop():
            from harness.steering.attention_maps import Reader

            reader = Reader(capture.layers)
            methods = (*methods, reader)
        try:
            stops = [c.request.stop for c in calls]
            how = replace(decoding, extra=arguments(decoding.extra))
            made = generate(self.view, inputs, methods, how, limit, [c.seed for c in calls], stops=stops, among=among)
        except RuntimeError as e:
            raise _memory(e) from e
        each = (time.perf_counter() - began) / len(calls)
        replies = []
        for i, (call, given, out) in enumerate(zip(calls, inputs, made, strict=True)):
            own = decoding.max_new_tokens or call.request.max_new_tokens
            replies.append(self._reply(call, given, out, own, each, among[i] if among else {}, reader))
        return replies

    def _tell(self, call: Call, given: Inputs) -> None:
        """Give probes what they read of the task's own knowledge."""
        if any(m.reads_marks for m in self.methods):
            given.marks = tuple(self._task.marks(call.sample))
        if any(m.reads_pair for m in self.methods):
            given.pair = self._task.pair(call.sample)

    def _inputs(self, calls: Sequence[Call], decoding: Decoding) -> list[Any]:
        """What the calls' prompts are for the model. Raises Unusable where one is too long."""
        ready = [self._ready.pop(id(c), None) for c in calls]
        inputs = [r[1] if r else self.prompts.encode(c.request) for c, r in zip(calls, ready, strict=True)]
        for call, given in zip(calls, inputs, strict=True):
            self._tell(call, given)
            new = 1 if decoding.strategy == "choices" else decoding.max_new_tokens or call.request.max_new_tokens
            self.prompts.fits(given.length, new)
        self._beyond(max(given.length for given in inputs))
        self._cut()
        return inputs

    def _reply(
        self,
        call: Call,
        given: Any,
        out: Any,
        limit: int,
        each: float,
        among: Mapping[int, str] = NONE,
        reader: Any = None,
    ) -> Reply:
        """The answer in words. `among`: token -> choice, where it is one of them; `each`: seconds that it took."""
        tokens, finish = out.tokens[:limit], out.finish if len(out.tokens) <= limit else "length"
        text = self.thinking.text(tokens, call.request)
        ended = finish == "stop" and not any(stop in text for stop in call.request.stop)  # by a token of its own
        for stop in call.request.stop:
            if stop in text:
                text, finish = text.split(stop, 1)[0], "stop"
        if among:
            text, finish = among[tokens[0]], "stop"
        seen = reader.attention(given, len(tokens) + ended, self.prompts.processor) if reader else None
        text = text if call.request.plain else text.strip(" ")
        length, thought = given.tensors["input_ids"].shape[1], self.thinking.count(text, len(tokens))
        return Reply(text, length, len(tokens), each, finish, seen, thought, out.measures, (), out.readings)

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

    def _beyond(self, tokens: int) -> None:
        """Tell once that prompts are longer than what the model has learnt to read."""
        if self.prompts.rotary and self.prompts.longest < tokens and self.prompts.longest and not self._told:
            self._told = True
            self.say(
                f"a prompt of {tokens} tokens exceeds the {self.prompts.longest} that {self.name} was made for: its "
                "answer may suffer"
            )

    def _cut(self) -> None:
        """Tell once that prompts were cut: `harness.models.hf.prompts`."""
        if self.prompts.cut and not self._told_cut:
            self._told_cut = True
            self.say(
                f"a prompt of {self.prompts.cut} tokens is cut on the left, as lm-eval does, to the "
                f"{self.prompts.longest} that {self.name} can read: its answers may suffer"
            )

    def _apart(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        """A batch in which some calls ask for likelihoods."""
        if all(c.request.continuations for c in calls):
            from harness.models.hf.likelihoods import replies

            try:
                found = replies(self.prompts, self.view, self.methods, calls, self.batching.tokens, self._tell)
            except RuntimeError as e:
                raise _memory(e) from e
            self._cut()
            return found
        kinds = [bool(c.request.continuations) for c in calls]
        return self._parts(calls, kinds, lambda some: self.answer(some, decoding))

    def _parts(
        self, calls: Sequence[Call], kinds: Sequence[Any], answer: Callable[[list[Call]], list[Reply]]
    ) -> list[Reply]:
        """Answers of each kind of call apart, in the order of the calls."""
        replies: dict[int, Reply] = {}
        for kind in dict.fromkeys(kinds):
            some = [i for i, k in enumerate(kinds) if k == kind]
            replies |= dict(zip(some, answer([calls[i] for i in some]), strict=True))
        return [replies[i] for i in range(len(calls))]


def _apart(call: Call) -> bool:
    """Whether a call is not answered beside others that make room for each other."""
    return bool(call.request.continuations or call.request.capture)


def _memory(e: RuntimeError) -> Exception:
    """The error as a MemoryError where it reports lack of memory."""
    if "out of memory" in str(e) or "can't allocate memory" in str(e):
        _free()
        return MemoryError(str(e))
    return e


def _free() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
