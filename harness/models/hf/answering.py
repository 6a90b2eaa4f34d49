"""Answers of a loaded model: prompts are prepared, generated together, and put into words."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count

import torch

from harness.core.decoding import Decoding
from harness.core.model import Call
from harness.core.task import Task
from harness.core.types import Reply, Request
from harness.models.hf.batching import Batching, mark_shared
from harness.models.hf.choices import tokens_of
from harness.models.hf.extra import arguments
from harness.models.hf.likelihoods import replies
from harness.models.hf.prompts import Prompts
from harness.models.hf.thinking import Thinking
from harness.steering import Inputs, Steering, View, generate
from harness.steering.attention_maps import Reader
from harness.steering.carried import mark
from harness.steering.generation import Generated
from harness.steering.refill import Asked, refilled

NONE: Mapping[int, str] = {}


@dataclass(eq=False)
class Answering:
    """One load of a model, under its methods.

    Attributes:
        lookup: Whether tokens are guessed from the prompt and checked together.
        task: Whose knowledge of a sample probes read; None where no task is asked.
        say: Tells the user of the run something, in one line.
    """

    name: str
    prompts: Prompts
    view: View
    batching: Batching
    methods: tuple[Steering, ...]
    lookup: bool
    task: Task | None
    say: Callable[[str], None]
    ready: dict[int, tuple[Call, Inputs]] = field(default_factory=dict)
    """Calls whose prompts are prepared and not yet answered, by their `id`."""
    _preparing: float = 0.0
    """Seconds that prompts took since the last answers."""
    _told: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=count)
    _choices: dict[tuple[str, ...], dict[int, str]] = field(default_factory=dict)

    @cached_property
    def thinking(self) -> Thinking:
        return Thinking(self.prompts)

    def prepare(self, call: Call) -> None:
        """Encode a call's prompt ahead of its batch. Raises Unusable."""
        began = time.perf_counter()
        self.ready[id(call)] = call, self.prompts.encode(call.request)
        self._preparing += time.perf_counter() - began

    def refilled(
        self,
        calls: Sequence[Call],
        decoding: Decoding,
        rows: int | None,
        further: Callable[[], Sequence[Call]],
        left: list[Call],
    ) -> Iterator[tuple[Sequence[Call], list[Reply]]]:
        """The replies, as samples end and others take their places. None of the calls is `apart`.

        Args:
            rows: Samples that are decoded at once, at most; None for as many as fit.
            further: More calls, asked for where there is room.
            left: Gets what was taken of `further` and cannot be answered beside the others.
        """
        began, self._preparing = time.perf_counter() - self._preparing, 0.0
        going: dict[int, Call] = {}
        first = self._asked(calls, decoding, going)
        slots = self.batching.slots(max(a.inputs.length for a in first), max(a.limit for a in first))

        def joined() -> list[Asked]:
            more = further()
            left.extend(c for c in more if apart(c))
            some = self._asked([c for c in more if not apart(c)], decoding, going)
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
                found = [self._reply(going[a.number], a.inputs, a.made, a.limit, each) for a in some]
                yield [going.pop(a.number) for a in some], found
                began = time.perf_counter()
        except RuntimeError as e:
            raise _memory(e) from e

    def _asked(self, calls: Sequence[Call], decoding: Decoding, going: dict[int, Call]) -> list[Asked]:
        """The calls' prompts, numbered; `going` gets the call of each number."""
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
                (call.sample.id, call.request.draw),
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
        """One reply per call, in order, of a batch that ends with its longest answer. Raises MemoryError."""
        if any(c.request.continuations for c in calls):
            return self._weighed(calls, decoding)
        wanted = {c.request.capture for c in calls}
        if len(wanted) > 1:
            return self._by_kind(calls, [c.request.capture for c in calls], decoding)
        began, self._preparing = time.perf_counter() - self._preparing, 0.0
        inputs = self._inputs(calls, decoding)
        among = [self._among(c.request) for c in calls] if decoding.strategy == "choices" else None
        mark_shared(calls, inputs, self.prompts.image_id)
        if self.batching.pad:  # in half precision a pass more changes tokens
            mark(self.view, inputs)
        limit = decoding.max_new_tokens or max(c.request.max_new_tokens for c in calls)
        methods, reader = self.methods, None
        if capture := wanted.pop():
            reader = Reader(capture.layers)
            methods = (*methods, reader)
        try:
            stops = [c.request.stop for c in calls]
            how = replace(decoding, extra=arguments(decoding.extra))
            made = generate(self.view, inputs, methods, how, limit, [c.seed for c in calls], stops=stops, among=among)
        except RuntimeError as e:
            raise _memory(e) from e
        each = (time.perf_counter() - began) / len(calls)
        found = []
        for i, (call, given, out) in enumerate(zip(calls, inputs, made, strict=True)):
            own = decoding.max_new_tokens or call.request.max_new_tokens
            found.append(self._reply(call, given, out, own, each, among[i] if among else NONE, reader))
        return found

    def _among(self, request: Request) -> dict[int, str]:
        """Token -> choice: looked for once in a vocabulary."""
        if request.choices not in self._choices:
            self._choices[request.choices] = tokens_of(self.prompts.tokenizer, request.choices, self.name)
        return self._choices[request.choices]

    def _tell(self, call: Call, given: Inputs) -> None:
        """Give probes what they read of the task's own knowledge."""
        if any(m.reads_marks for m in self.methods):
            assert self.task
            given.marks = tuple(self.task.marks(call.sample))
        if any(m.reads_pair for m in self.methods):
            assert self.task
            given.pair = self.task.pair(call.sample)

    def _inputs(self, calls: Sequence[Call], decoding: Decoding) -> list[Inputs]:
        """What the calls' prompts are for the model. Raises Unusable where one is too long."""
        ready = [self.ready.pop(id(c), None) for c in calls]
        inputs = [r[1] if r else self.prompts.encode(c.request) for c, r in zip(calls, ready, strict=True)]
        for call, given in zip(calls, inputs, strict=True):
            self._tell(call, given)
            new = 1 if decoding.strategy == "choices" else decoding.max_new_tokens or call.request.max_new_tokens
            self.prompts.fits(given.length, new)
        self._tell_beyond(max(given.length for given in inputs))
        self._tell_cut()
        return inputs

    def _reply(
        self,
        call: Call,
        given: Inputs,
        out: Generated,
        limit: int,
        each: float,
        among: Mapping[int, str] = NONE,
        reader: Reader | None = None,
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

    def _tell_beyond(self, tokens: int) -> None:
        """Tell once that prompts are longer than what the model has learnt to read."""
        if self.prompts.rotary and 0 < self.prompts.longest < tokens and "beyond" not in self._told:
            self._told.add("beyond")
            self.say(
                f"a prompt of {tokens} tokens exceeds the {self.prompts.longest} that {self.name} was made for: its "
                "answer may suffer"
            )

    def _tell_cut(self) -> None:
        """Tell once that prompts were cut: `harness.models.hf.prompts`."""
        if self.prompts.cut and "cut" not in self._told:
            self._told.add("cut")
            self.say(
                f"a prompt of {self.prompts.cut} tokens is cut on the left, as lm-eval does, to the "
                f"{self.prompts.longest} that {self.name} can read: its answers may suffer"
            )

    def _weighed(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        """A batch in which some calls ask for likelihoods."""
        kinds = [bool(c.request.continuations) for c in calls]
        if not all(kinds):
            return self._by_kind(calls, kinds, decoding)
        try:
            found = replies(self.prompts, self.view, self.methods, calls, self.batching.tokens, self._tell)
        except RuntimeError as e:
            raise _memory(e) from e
        self._tell_cut()
        return found

    def _by_kind(self, calls: Sequence[Call], kinds: Sequence[Hashable], decoding: Decoding) -> list[Reply]:
        """Answers of each kind of call apart, in the order of the calls."""
        found: dict[int, Reply] = {}
        for kind in dict.fromkeys(kinds):
            some = [i for i, k in enumerate(kinds) if k == kind]
            found |= dict(zip(some, self.answer([calls[i] for i in some], decoding), strict=True))
        return [found[i] for i in range(len(calls))]


def apart(call: Call) -> bool:
    """Whether a call is not answered beside others that make room for each other."""
    return bool(call.request.continuations or call.request.capture)


def _memory(e: RuntimeError) -> Exception:
    """The error as a MemoryError where it reports lack of memory."""
    if "out of memory" in str(e) or "can't allocate memory" in str(e):
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return MemoryError(str(e))
    return e
