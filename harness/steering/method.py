"""The base class of methods that edit a running model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from harness.core.method import Method
from harness.steering.tower import tower_of

if TYPE_CHECKING:
    from harness.steering.batch import Batch
    from harness.steering.bench import Bench
    from harness.steering.decode_loop import Loop
    from harness.steering.inputs import Inputs
    from harness.steering.view import View
    from harness.steering.visible import Visible

ATTENTION = ("attention_logits", "attention_weights")


class Steering(Method):
    """One training-free method. Override the points it needs; a point that returns None changes nothing, bit for bit.

    Letters: b rows of the batch that the method may touch, t query positions (the prompt in prefill, then 1),
    k key columns, d width, H query heads, V vocabulary, l layer counted from 0. Points work on CPU and GPU tensors in
    the model's dtype: keep constants on `x.device`.
    """

    kind = "steering"

    prefix: Literal["plain", "with", "none"] = "plain"
    """How a shared prefix must be encoded. plain: without the method (it edits the last prompt row and decode steps
    only). with: under the method (every row is edited, from its own past only). none: it cannot be shared."""
    reads_question = False
    """Whether the method reads `Inputs.question`."""
    reads_marks = False
    """Whether a probe reads `Inputs.marks`: the task's boxes, which nothing that acts may know."""
    reads_pair = False
    """Whether a probe reads `Inputs.pair`: the task's answer, which nothing that acts may know."""
    batch = True
    """False: samples would influence each other, so each runs alone."""
    refills: bool | Sequence[str] = False
    """Whether a sample that has ended may make room for another while the rest of the batch is decoded. True: the
    method keeps nothing of a batch from one pass to the next. Names: of its attributes that hold one entry a row of the
    batch [b, ...] or a sample [n, ...], or a dict of such by layer; they follow their rows, and nothing else is kept.
    Vectors of several lengths are padded on their left.
    False: batches wait for their longest answer. Read where `batch` is true."""
    by_column: Sequence[str] = ()
    """Names in `refills` of what has the columns of the sequence as its last axis [..., k], and moves with them. It may
    have fewer, the first ones: 0 stands for those that are not there, and for those that hold nothing of a row."""
    sampling = True
    """False: only valid without sampling."""
    beams = True
    """False: not valid in beam search. A method that `contrasts` never is."""
    scope: Literal["main", "all"] = "main"
    """Whose rows the edits touch: the samples', or the contrast streams' too."""
    attention_rows: int | Literal["all"] = 1
    """Query rows that the attention points need, counted from the last one. `all` costs an explicit attention over the
    whole prompt."""
    drops = False
    """Whether entries of the key-value cache that the method does not keep (`stays`) are dropped for real."""
    conflicts: Sequence[str] = ()
    """Names of methods that cannot run beside this one."""
    calibrated_by: Sequence[str] = ()
    """Names of the arguments that change the artefact which `calibrate` makes."""
    artefact: dict[str, Tensor] | None = None
    """What `calibrate` returned for this model, on the CPU; set before the run."""

    @property
    def needs_artefact(self) -> bool:
        """Whether the method, with the values it has, reads `artefact`."""
        return self.has("calibrate")

    @property
    def contrasts(self) -> bool:
        """Whether the method, with the values it has, runs streams beside some samples. Override it beside `contrast`
        where some values need none: they may then also run in beam search."""
        return self.has("contrast")

    def calibrate(self, bench: Bench) -> dict[str, Tensor]:
        """Once per (method, model, data): tensors that are stored and given back as `artefact`."""
        raise NotImplementedError

    def layers(self, view: View) -> Sequence[int]:
        """Layers that the points edit."""
        return range(view.depth)

    def reads(self, view: View) -> Sequence[int]:
        """Layers whose last-position output `batch.hidden[l]` [rows, d] shall hold at each step; -1: the embeddings."""
        return ()

    def prepare(self, batch: Batch) -> None:
        """Once per batch, before prefill. `batch.peek(samples)` gives states of a plain forward pass [b, L, d]."""

    def rewrite(self, sample: Inputs, view: View) -> Inputs | None:
        """The sample with another prompt (fewer image tokens), before all else. Must depend on the sample alone."""

    def picture(self, pixels: Tensor, view: View) -> Tensor | None:
        """For pixels [b, 3, H, W]: the vision tower's states [b, 1 + T, d] that the connector shall read."""

    def tower_layers(self, view: View) -> Sequence[int]:
        """Layers of the vision tower in which the tower's points act; none for a model without pictures. What they do
        must depend on the picture alone. In them `batch.places` says where the tokens lie (`harness.steering.places`);
        attention that a model's own windows cut is left alone."""
        return range(tower_of(view, self.name).depth) if view.image_token_id is not None else ()

    def tower_qkv(self, l: int, q: Tensor, k: Tensor, v: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor] | None:
        """Queries, keys and values of the tower's layer l, [b, H, n, D] each, after their norms and rotations."""

    def tower_visible(self, l: int, q: Tensor, k: Tensor, batch: Batch) -> Visible | None:
        """Which keys each query of the tower's layer l sees. Patterns of several methods are met together."""

    def tower_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        """Scaled attention scores of the tower's layer l before softmax, [b, H, n, n]."""

    def tower_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        """Attention weights of the tower's layer l after softmax, [b, H, n, n]."""

    def tower_residual(self, l: int, h: Tensor, batch: Batch) -> Tensor | None:
        """Output of the tower's layer l, [b, n, d]."""

    def tower_output(self, h: Tensor, batch: Batch) -> Tensor | None:
        """The states that the connector reads, [b, n, d], class token included; where it reads one layer of a tower."""

    def contrast(self, sample: Inputs, view: View) -> Inputs | Sequence[Inputs] | None:
        """Inputs of one or more streams beside the sample, or None for none. Must depend on the sample alone. Asked
        where the method `contrasts`."""

    def residual(self, l: int, h: Tensor, batch: Batch) -> Tensor | None:
        """Output of decoder layer l, [b, t, d]."""

    def mlp(self, l: int, y: Tensor, batch: Batch) -> Tensor | None:
        """MLP output before the residual add, [b, t, d]."""

    def attention_output(self, l: int, y: Tensor, batch: Batch) -> Tensor | None:
        """Attention block output (after its output projection) before the residual add, [b, t, d]."""

    def heads(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        """Head outputs before the output projection, [b, t, H, head size]."""

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        """Scaled attention scores before mask and softmax, [b, H, rows, k]."""

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        """Attention weights after softmax, [b, H, rows, k]."""

    def layer_input(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        """Input of decoder layer l: the residual stream before its norm, [b, t, d]."""

    def attention_input(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        """What the attention block of layer l reads: states after its norm, [b, t, d]."""

    def stays(self, l: int, batch: Batch) -> Tensor | None:
        """Where the method `drops`: after this pass, which columns of layer l stay in the cache, bool [b, Hk, k]."""

    def measured(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[float | None]]:
        """Once per batch, after it: numbers about each sample, by name, which become scores of the samples; None where
        there is none.

        `passes`: how many passes each sample took part in, the prompt's included.
        """
        return {}

    def decode(self, loop: Loop) -> list[int]:
        """The method's own decoding of one sample: new tokens, without end-of-sequence. Where it is overridden the
        method runs alone and needs `scope = "all"`: rows are the loop's."""
        raise NotImplementedError

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        """Next-token logits of the samples, float32 [b, V]. In beam search they arrive as log-probabilities."""

    def picked(self, tokens: Tensor, batch: Batch) -> None:
        """The token that each sample got at this step, [n]; of samples that have ended, whatever comes. Not in beam
        search."""

    def has(self, *points: str) -> bool:
        """Whether the class overrides one of these points."""
        return any(_of(type(self), p) is not _of(Steering, p) for p in points)


def _of(cls: type, point: str) -> Any:
    return getattr(cls, point)
