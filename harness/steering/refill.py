"""Decoding in which samples that end make room for others, instead of waiting for the longest answer of a batch.

Prompts are read in small groups that need little padding, and written into the slots of those that have ended; one pass
decodes all. Who comes in when depends on prompts and tokens alone, so the same run gives the same answers.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from harness.core.decoding import Decoding
from harness.steering import carried
from harness.steering.batch import Batch, Stream
from harness.steering.finite import Watch, require_finite, require_sound
from harness.steering.forward import Prefix, encode, forward, peek, undisturbed
from harness.steering.generation import Generated, check
from harness.steering.grouping import asking, batches, contrasted, rewritten
from harness.steering.guard import Guard, broken
from harness.steering.hooks import attached
from harness.steering.inputs import Inputs, common_prefix
from harness.steering.lookup import MOST, Lookup, worth
from harness.steering.method import Steering
from harness.steering.probe import Probe
from harness.steering.roomy import RoomyLayer, roomy
from harness.steering.rows import Rows, held
from harness.steering.slots import KINDS, Slots
from harness.steering.stop_strings import reach
from harness.steering.token_choice import Select
from harness.steering.turns import Past, Turns, begun, go_on, said
from harness.steering.view import View

SHARE = 0.25
"""Part of the slots that must be free before further prompts are read: a pass for each would cost more."""
PADDED = 256
"""Tokens of the longest of several prompts that are read side by side with padding. Longer ones of one length go
together, others alone: the mask and the padding would cost more than passes of their own."""
WASTE = 1.25
"""Times the tokens of a group that it may have with padding."""
SPARSE = 0.75
"""Part of the slots in use below which the others are given up, when nobody waits for them."""
FRONT = 64
"""Columns in front that nobody uses before they are given up."""


def hindrance(view: View, methods: Sequence[Steering], decoding: Decoding) -> str:
    """What keeps samples of a batch waiting for its longest answer; "" where nothing does."""
    for method in methods:
        if isinstance(method, Probe) or method.has("decode") or method.drops or not (method.batch and _refills(method)):
            return f"method={method.name}"
    if decoding.strategy not in ("greedy", "nucleus") or decoding.extra:
        return f"decoding={decoding.strategy}" if not decoding.extra else "decoding.extra"
    crossed = getattr(view.decoder.config, "cross_attention_layers", None)
    plain = all(isinstance(layer, RoomyLayer) for layer in roomy(view).layers)
    if view.needs_picture or not view.keeps_keys or crossed or not plain:
        return f"the cache of {type(view.model).__name__}"
    return ""


def _refills(method: Steering) -> bool:
    """What a method says of itself; one that prepares other things than the class that said it must say it again."""
    kinds = type(method).__mro__
    said = next(i for i, kind in enumerate(kinds) if "refills" in vars(kind))
    return bool(method.refills) and not any("prepare" in vars(kind) for kind in kinds[:said])


@dataclass(eq=False)
class Asked:
    """One sample on its way."""

    number: int
    inputs: Inputs
    limit: int
    """New tokens at most."""
    seed: int
    stops: tuple[str, ...] = ()
    again: bool = False
    """Whether it continues from an answer. Such samples come one by one: they wait to be read beside others."""
    talk: Hashable = None
    """What it has in common with its earlier prompts."""
    past: Past | None = None
    """What the model has read of it before."""
    tokens: list[int] = field(default_factory=list)
    finish: Any = ""
    at_end: bool = False
    """Whether it ended with a token of its own, which is not among `tokens`."""
    measures: dict[str, float] = field(default_factory=dict)
    blocks: Sequence[Inputs] = ()
    """What the model reads: the sample as methods rewrite it, and its streams."""
    generator: torch.Generator | None = None
    lookup: Lookup | None = None
    """Where guesses come from; None where none are made."""

    @property
    def passes(self) -> int:
        """Passes that it took part in."""
        return len(self.tokens) + self.at_end

    @property
    def made(self) -> Generated:
        return Generated(self.tokens, self.finish, measures=self.measures)


def refilled(
    view: View,
    asked: Sequence[Asked],
    methods: Sequence[Steering],
    decoding: Decoding,
    rows: int,
    tokens: int,
    guess: bool = False,
    further: Callable[[], Sequence[Asked]] = tuple,
) -> Iterator[list[Asked]]:
    """Samples with the answers of `generate`, as they come.

    Args:
        rows: Samples that are decoded at once.
        tokens: Tokens of prompts that are read at once, padding and streams included.
        guess: Whether tokens may be guessed where that pays (`harness.steering.lookup`): greedy, without methods.
        further: More samples, if there are any by now; called where there is room for them.

    Raises:
        UsageError: methods, model and decoding do not fit together. Ask `hindrance` first.
    """
    check(view, methods, decoding)
    guess = guess and not methods and not decoding.sampled
    todo = list(asked)
    while todo:
        play = Refill(view, methods, decoding, rows, tokens, guess)
        play.join(todo)
        while play.busy:
            if play.has_room and not todo:
                todo += further()
                play.join(todo)
            with undisturbed(view), asking(view, methods):
                done = play.advance()
            if done:
                yield done
        todo += further()


class Refill:
    """Plays samples in slots. All of them show a picture, or none does."""

    def __init__(
        self,
        view: View,
        methods: Sequence[Steering],
        decoding: Decoding,
        most: int,
        tokens: int,
        guess: bool,
    ):
        self.guess = guess
        self.view, self.methods, self.decoding, self.most, self.tokens = view, tuple(methods), decoding, most, tokens
        self.waiting, self.later, self.coming = deque[Asked](), list[Asked](), 0
        """`later`: those whose streams are of another kind than the present ones; they come when these have ended.
        `coming`: how many of the present group have not been read yet."""
        self.eos = frozenset(view.eos)
        self.turns: Turns | None = view.turns if go_on(view, methods) else None
        self.seats: list[Asked | None] = []
        self.rows: Rows | None = None
        self.batch: Slots | None = None
        self.select: Select | None = None

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.later or self.taken)

    @property
    def taken(self) -> list[int]:
        """Slots whose samples go on."""
        return [i for i, a in enumerate(self.seats) if a]

    @property
    def has_room(self) -> bool:
        """Whether more could come in than wait."""
        return bool(self.taken) and len(self.waiting) + len(self.later) < len(self.seats) - len(self.taken)

    def join(self, some: list[Asked]) -> None:
        """Take those that show pictures as the present ones do, or the first of them: they differ in their streams."""
        present = [a for a in self.seats if a] or [*self.waiting, *self.later] or some
        joining = [a for a in some if a.inputs.sees == present[0].inputs.sees]
        for one in joining:
            if one.again and self.turns:
                one.past = self.turns.take(one.talk, one.inputs, self.view.image_token_id)
        self.waiting.extend(joining)
        some[:] = [a for a in some if a.inputs.sees != present[0].inputs.sees]

    def advance(self) -> list[Asked]:
        """Read a group of prompts, or decode until a sample ends: those that have ended."""
        if not self.taken:
            self.rows, self.seats = None, []
            self.waiting.extendleft(reversed(self.later))
            self.later.clear()
        group = self._group()
        return self._admit(group) if group else self._decode()

    # -- who comes in

    def _group(self) -> list[Asked]:
        """Who comes in next, together; nobody where it pays to wait for more room."""
        taken = len(self.taken)
        free = len(self.seats) - taken if taken else self.most
        if not self.waiting or (taken and free < min(len(self.waiting), max(1, round(self.most * SHARE)))):
            return []
        if len(self.waiting) < SHARE * taken and all(a.again for a in self.waiting):
            return []
        found: list[Asked] = []
        for unit in self._units():
            if len(found) + len(unit) > free or not self._together([*found, *unit]):
                if not found and (len(unit) <= free or not taken or len(unit) > self.most):
                    return unit[: max(1, min(free, self.tokens // max(_length(a) for a in unit)))]
                break
            found += unit
        return found

    def _units(self) -> Iterator[list[Asked]]:
        """Samples that come in together or not at all: the questions about one picture."""
        unit: list[Asked] = []
        for one in self.waiting:
            key = one.inputs.shared if one.inputs.sees and not one.past else None
            if unit and (key is None or key != unit[-1].inputs.shared):
                yield unit
                unit = []
            unit.append(one)
        if unit:
            yield unit

    def _together(self, group: Sequence[Asked]) -> bool:
        """Whether these prompts cost less in one pass than in several."""
        if len({a.past and a.past.rest.sees for a in group}) > 1:
            return False
        lengths = [_length(a) for a in group]
        streams = 1 + sum(m.contrasts for m in self.methods)
        if len(group) * max(lengths) * streams > self.tokens:
            return len(group) == 1
        common = 0
        if not group[0].inputs.sees and not group[0].past and len(group) > 1:
            common = common_prefix([a.inputs.tensors["input_ids"][0] for a in group])
            common = common if (len(group) - 1) * common >= carried.SAVED else 0
        own = [_length(a) - _known(a, common) for a in group]
        longest = max(own)
        return min(own) == longest or (longest <= PADDED and len(own) * longest <= WASTE * sum(own))

    def _admit(self, group: Sequence[Asked]) -> list[Asked]:
        """Read prompts: those that end with their first token."""
        for _ in group:
            self.waiting.popleft()
        if pasts := [a.past for a in group if a.past]:
            for one in group:
                one.blocks, one.past = [one.past.rest if one.past else one.inputs], None
            return self._read(group, [], lambda _: begun(self.view, pasts))
        view, methods, self.coming = self.view, self.methods, len(group)
        raw = [a.inputs for a in group]
        if not raw[0].sees:
            raw = [replace(one, shared=None) for one in raw]
            carried.mark(view, raw)
        inputs = [rewritten(methods, one, view) for one in raw]
        streams = [contrasted(methods, one, view) for one in inputs]
        ended: list[Asked] = []
        for members, shared in batches(view, inputs, streams, methods, max(a.limit for a in group)):
            some, kinds = [group[i] for i in members], list(streams[members[0]])
            self.coming -= len(some)
            if self.taken and self.batch and kinds != list(self.batch.streams):
                self.later += some
                continue
            for i in members:
                group[i].blocks = [inputs[i], *(streams[i][kind] for kind in kinds)]
            ended += self._read(some, kinds, encode if shared else None)
        return ended

    def _read(
        self, some: Sequence[Asked], kinds: Sequence[Stream], begin: Callable[[Batch], Prefix] | None
    ) -> list[Asked]:
        """`begin`: makes the cache that holds what the prompts begin with."""
        view, methods = self.view, self.methods
        blocks = list(zip(*(a.blocks for a in some), strict=True))
        batch = Batch(view, methods, blocks[0], dict(zip(kinds, blocks[1:], strict=True)), peek=peek)
        select = self._selects(batch, [a.seed for a in some])
        prefix = begin(batch) if begin else None
        for method in methods:
            method.prepare(batch)
        cache = prefix.cache if prefix else roomy(view)
        with _positions(view) as seen:
            watch = select or Watch(batch)
            first = forward(batch, 1, prefix, watch, cache=cache, carry=True)[: len(some), 0].tolist()
        require_finite(batch, watch.steps, [1] * len(some))
        _measure(methods, batch, some, [1] * len(some))
        for i, generator in enumerate(select.generators if select else ()):
            some[i].generator = generator
        ended = [one for one, token in zip(some, first, strict=True) if self._takes(one, token)]
        for one in some if self.guess else ():
            one.lookup = Lookup([*one.inputs.tensors["input_ids"][0].tolist(), *one.tokens])
        if staying := [i for i, one in enumerate(some) if not one.finish]:
            assert batch.mask is not None
            shape = (len(blocks), len(some))
            columns = {"": batch.mask, **({kind: batch._mask(kind) for kind in KINDS} if methods else {})}
            position = seen[-1] if seen else None
            rotary = position is not None and position.dim() == 3
            if position is not None:
                position = (position[-1] if rotary else position)[:, -1]
                position = position.expand(len(batch.inputs)).unflatten(0, shape)
            read = Rows(
                cache,
                {name: x.unflatten(0, shape) for name, x in columns.items()},
                position,
                rotary,
                *held(methods, len(some), batch.mask.shape[1]),
            )
            self._seat(read, [some[i] for i in staying], staying, kinds)
        return ended

    def _seat(self, read: Rows, some: Sequence[Asked], staying: Sequence[int], kinds: Sequence[Stream]) -> None:
        """Give slots to prompts that have been read and whose answers go on."""
        if self.rows is None:
            slots = min(self.most, len(some) + self.coming + len(self.waiting))
            self.seats = [None] * read.slots
            for i, one in zip(staying, some, strict=True):
                self.seats[i] = one
            if read.slots < (1 - SHARE) * slots:  # for fewer the copy would cost more than they are worth
                read.lay(slots, staying, range(len(staying)), self._ahead(read, read) - read.length)
                self.seats = [*some, *[None] * (slots - len(some))]
            slots, self.rows = read.slots, read
            self.batch = Slots(self.view, self.methods, kinds, peek)
            self.batch.seat([[row] * slots for row in some[0].blocks])
            self.batch.step = 1
            self.select = self._selects(self.batch, [])
            return
        everyone, held = range(self.rows.slots), self.rows.length
        if read.length > held:
            self.rows.lay(self.rows.slots, everyone, everyone, self._ahead(self.rows, read) - held)
        elif (front := min(self.rows.empty(self.taken), held - self._ahead(self.rows, read))) > max(FRONT, held // 4):
            self.rows.lay(self.rows.slots, everyone, everyone, -front)
        free = [i for i, a in enumerate(self.seats) if not a][: len(some)]
        self.rows.put(read, staying, free)
        for i, one in zip(free, some, strict=True):
            self.seats[i] = one

    def _ahead(self, rows: Rows, read: Rows) -> int:
        """Columns that the prompts just read and those that wait need, but for much longer ones: each time that there
        are too few, all that is held is copied."""
        longest = max((a.inputs.length for a in self.waiting), default=0)
        return max(read.length, min(longest, 2 * rows.length))

    def _selects(self, batch: Batch, seeds: Sequence[int]) -> Select | None:
        """What picks the tokens, where it is not the largest logit alone."""
        if self.decoding.sampled or batch.streams or any(m.has("logits", "picked") for m in self.methods):
            return Select(batch, self.decoding, seeds, False)
        return None

    # -- decoding

    def _decode(self) -> list[Asked]:
        """Steps until a sample ends."""
        self._shrink()
        rows, batch = self.rows, self.batch
        assert rows is not None
        assert batch is not None
        blank = next(a for a in self.seats if a).blocks
        batch.seat(list(zip(*(a.blocks if a else blank for a in self.seats), strict=True)))
        batch.marks = {name: x.flatten(0, 1).bool() for name, x in rows.columns.items() if name}
        batch.guard = Guard(expected=rows.length + 1, padded=bool((rows.mask == 0).any()))
        rows.give(self.methods)
        if self.select and self.decoding.sampled:
            self.select.generators = [a.generator if a and a.generator else torch.Generator() for a in self.seats]
        with attached(batch):
            while True:
                self._step(rows, batch)
                if ended := [a for a in self.seats if a and a.finish]:
                    break
        rows.take(self.methods)
        of = [m for m in self.methods if not isinstance(m.refills, bool)]  # the others know all from the prompt
        _measure(of, batch, [a if a in ended else None for a in self.seats], [a.passes if a else 1 for a in self.seats])
        for slot, one in enumerate(self.seats):
            if one and one.finish and self.turns and self.turns.wanted:
                tokens = said(one.blocks[0], one.tokens, self.methods)
                self.turns.keep(one.talk, one.inputs, tokens, rows, slot)
        self.seats = [a if a and not a.finish else None for a in self.seats]
        return ended

    def _step(self, rows: Rows, batch: Slots) -> None:
        """One pass: each sample gets a token, or several of which it guessed all but the last."""
        last = [a.tokens[-1] if a else self.view.pad for a in self.seats]
        guesses = self._guesses()
        width = max(map(len, guesses))
        fed = [
            [token, *some, *[self.view.pad] * (width - len(some))] for token, some in zip(last, guesses, strict=True)
        ]
        if self.methods:
            batch.mask = pad(rows.mask.flatten(0, 1), (0, 1), value=1)
        logits = rows.feed(self.view.model, torch.tensor(fed, device=self.view.device))
        self.view.work.add(len(logits), 1 + width, 1)
        if self.select:
            chosen = self.select.choose(logits[:, -1])
            right, tokens, sound = None, [[token] for token in chosen.tolist()], self.select.sound
        else:
            largest, chosen = logits.max(-1)
            sound, best = largest.isfinite().all(-1), chosen.tolist()
            right = [_agreed(some, own) for some, own in zip(guesses, best, strict=True)]
            tokens = [own[: count + 1] for own, count in zip(best, right, strict=True)]
            if width:
                rows.keep([1 + count for count in right], 1 + width)
        require_sound(sound[self.taken], self.view.dtype, self.methods)
        for i, (one, new) in enumerate(zip(self.seats, tokens, strict=True)):
            if one and one.lookup and not any(self._takes(one, token) for token in new):
                one.lookup.add(new)
                if right and guesses[i]:
                    one.lookup.told(min(len(guesses[i]), right[i] + 1), right[i])
            elif one and not one.lookup:
                self._takes(one, new[0])

    def _guesses(self) -> list[list[int]]:
        """What each sample may say next, as far as it pays to read it beside the last token."""
        lookups = [a.lookup if a else None for a in self.seats]
        guesses = [a.lookup.guess(min(MOST, a.limit - len(a.tokens) - 1)) if a and a.lookup else [] for a in self.seats]
        width = worth(lookups, guesses) if any(guesses) else 0
        return [some[:width] for some in guesses]

    def _takes(self, one: Asked, token: int) -> bool:
        """Give a sample its next token: whether it has ended."""
        if token in self.eos:
            one.finish, one.at_end = "stop", True
            return True
        one.tokens.append(token)
        if one.stops:
            text = self.view.decode(one.tokens[-reach(one.stops) :])
            if any(stop in text for stop in one.stops):
                one.finish = "stop"
        if not one.finish and len(one.tokens) >= one.limit:
            one.finish = "length"
        return bool(one.finish)

    def _shrink(self) -> None:
        """Give up slots that nobody waits for, and columns that nobody uses."""
        taken = self.taken
        if self.rows is None or self.waiting or len(taken) > SPARSE * len(self.seats):
            return
        self.rows.lay(len(taken), taken, range(len(taken)), -self.rows.empty(taken))
        self.seats = [self.seats[i] for i in taken]


def _measure(methods: Sequence[Steering], batch: Batch, some: Sequence[Asked | None], passes: Sequence[int]) -> None:
    """Give samples what methods measured up to now, each in so many passes."""
    for method in methods:
        for name, values in method.measured(batch, passes).items():
            for one, value in zip(some, values, strict=True):
                if one and value is not None:
                    one.measures[name] = float(value)


def _agreed(guesses: Sequence[int], chosen: Sequence[int]) -> int:
    """How many guesses the model chose too, up to the first that it did not."""
    return next((i for i, (one, other) in enumerate(zip(guesses, chosen, strict=False)) if one != other), len(guesses))


def _length(one: Asked) -> int:
    return one.inputs.length


def _known(one: Asked, common: int) -> int:
    """Tokens of a prompt that need not be read for it alone: of its last turn, of its pictures, or what all have in
    common."""
    if one.past:
        return one.past.length
    return one.inputs.shared[1] if one.inputs.shared and one.inputs.sees else common


@contextlib.contextmanager
def _positions(view: View) -> Iterator[list[Tensor]]:
    """While open, the positions [..., rows, columns] that `generate()` gives the model are noted."""
    seen: list[Tensor] = []

    def note(_module: Any, _args: Any, kwargs: Any) -> None:
        if kwargs.get("position_ids") is not None:
            seen.append(kwargs["position_ids"])

    handle = view.model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()
    if not seen and view.rope_deltas is not None:
        raise broken("generate() gives the model no positions, which are counted by pictures")
