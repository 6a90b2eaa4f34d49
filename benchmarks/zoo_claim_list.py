"""The claims of docs/zoo-claims.md: what papers say of their layers, as pairs of models that are trained here."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

SEEDS = (0, 1, 2)
"""Those of the arms; the committed weights are those of seed 0."""
TASKS = {
    "mqar": ("task=recall", "task.samples=200"),
    **{c: ("task=recall", f"task.data={c}", "task.samples=200") for c in ("needle", "passkey", "copying", "tracking")},
    "idle": ("task=recall", "task.data=idle", "task.samples=200"),
    "linear": ("task=in_context", "task.samples=400"),
    "piecewise": ("task=in_context", "task.data=piecewise", "task.samples=400"),
    "classes": ("task=in_context", "task.data=classes", "task.samples=300"),
    "classes-k64": ("task=in_context", "task.data=classes", "task.samples=300", "task.classes=64"),
    "classes-b1": ("task=in_context", "task.data=classes", "task.samples=300", "task.burst=1"),
    "classes-b4": ("task=in_context", "task.data=classes", "task.samples=300", "task.burst=4"),
}
"""Course -> how it is asked."""


@dataclass(frozen=True)
class Arm:
    """A model on a course, or (`score`) a predictor of known form on the problems that the model was asked."""

    model: str
    course: str
    score: str = ""
    train: tuple[str, ...] = ()
    """What it is trained with beside its recipe."""
    probe: str = ""
    """What reads the score while it is asked: less of it is what the claim has."""

    @property
    def name(self) -> str:
        return f"`{self.score}`" if self.score and not self.probe else f"`{self.model}`"

    @property
    def where(self) -> str:
        return f"{self.name} on {self.course}"

    def command(self, weights: str = "") -> str:
        """What trains it."""
        seeds = ",".join(map(str, SEEDS))
        task = [w for w in TASKS[self.course] if not w.startswith("task.samples")]
        course = [f"course={self.course}"] if self.course == "mqar" else []
        out = [f"out={weights}"] if weights else []
        words = [f"mixer={self.model}", *task, *course, f"seed={seeds}", *self.train, *out]
        return " ".join(["harness zoo train", *words])


@dataclass(frozen=True)
class Pair:
    """`better` does better than `worse`; with `reaches` it is not worse by more than what counts as nothing."""

    better: Arm
    worse: Arm
    reaches: bool = False
    least: float = 0.0
    """What `worse` must come to before anything can be shown: below it the pair is undecided."""
    floor: float = 0.0
    """What `better` must come to: below it neither has learned what the pair is about."""


@dataclass(frozen=True)
class Claim:
    """`says`: the paper's words in short; `here`: what is checked. `abrupt`: an arm whose curve is judged instead."""

    name: str
    paper: str
    says: str
    here: str
    pairs: tuple[Pair, ...] = ()
    abrupt: Arm | None = None

    @property
    def arms(self) -> list[Arm]:
        found = [arm for p in self.pairs for arm in (p.better, p.worse)] + ([self.abrupt] if self.abrupt else [])
        return list(dict.fromkeys(found))


MQAR, IDLE, REGRESSION, SHORTER = ("steps=2000",), ("steps=1000",), ("steps=2500",), ("steps=2000",)
"""How long arms are trained, whatever becomes of the recipes: on recall, linear and classes."""
COPIED = 0.55
"""Accuracy with bursts of 4 of who has learned more than to copy any label of the context (.5)."""
GUESSED = 0.2
"""Accuracy on mqar of who has learned more than to guess among the values of a sequence (.15)."""


def _mqar(name: str, *train: str) -> Arm:
    return Arm(name, "mqar", train=train)


def _linear(name: str, score: str = "") -> Arm:
    return Arm(name, "linear", score, REGRESSION)


def _read(name: str) -> Arm:
    return Arm(name, "idle", "sinks.first_layers", IDLE, "sinks")


def _classes(course: str = "classes") -> Arm:
    return Arm("softmax", course, train=SHORTER)


def _dial(*names: str, train: tuple[str, ...] = MQAR) -> tuple[Pair, ...]:
    """Each does better than the next."""
    arms = [_mqar(n, *train) for n in names]
    return tuple(Pair(a, b, floor=GUESSED) for a, b in itertools.pairwise(arms))


CLAIMS = (
    Claim(
        "The dial of BASED",
        "2402.18668",
        "The window's size and the feature dimension are dials along the front of recall against state.",
        "Accuracy grows with the feature dimension (4, 8; with 8 it recalls nearly all, so that 16 must only be as "
        "good) and with the window (8, 16, 32); with 8 dimensions BASED keeps 12.2 kB and recalls more than a window "
        "of 32 positions, which keeps 16.9 kB.",
        (
            *_dial("based-8", "based-4"),
            Pair(_mqar("based", *MQAR), _mqar("based-8", *MQAR), reaches=True),
            *_dial("window-32", "window-16", "window"),
            Pair(_mqar("based-8", *MQAR), _mqar("window-32", *MQAR)),
        ),
    ),
    Claim(
        "The chunk of RAT",
        "2507.04416",
        "The chunk's length goes from attention (1) to a recurrence (T): short chunks recall more and keep more.",
        "Accuracy with chunks of 1, 4 and 16 positions; 16 must only be as good as 64 (the recurrence alone): neither "
        "holds the pairs of a chunk apart, and both guess among its values.",
        (
            *_dial("rat-1", "rat-4", "rat"),
            Pair(_mqar("rat", *MQAR), _mqar("rat-64", *MQAR), reaches=True),
        ),
    ),
    Claim(
        "The parts of Titans",
        "2501.00663",
        "Without momentum, without decay, or with a linear memory, recall over long contexts falls: from 92.7 "
        "to 87.1, 85.6 and 85.3.",
        "The whole memory against the same without momentum, without forgetting, and with a memory of depth 1.",
        tuple(
            Pair(_mqar("titans", *MQAR), _mqar(n, *MQAR), floor=GUESSED)
            for n in ("titans-no-momentum", "titans-no-forget", "titans-linear")
        ),
    ),
    Claim(
        "The gate removes the sink",
        "2505.06708",
        "A sigmoid gate on the heads' outputs removes the attention sink on the first token.",
        "The share of attention that the first token gets from all positions (`method=sinks`), with and without the "
        "gate, on sequences where most positions have nothing to look for (`task.data=idle`). Without one there must "
        "be a sink to remove: a tenth, where even attention gives .07. The verdict tells whether the gate weakens it, "
        "not whether nothing is left.",
        (Pair(_read("gated"), _read("softmax"), least=0.1),),
    ),
    Claim(
        "Local linear attention between linear and softmax",
        "2510.01450",
        "Where the map changes from place to place, a local linear fit has less error than a local constant one "
        "(softmax) and than one linear map.",
        "Trained layers on piecewise linear problems, and the predictors that they stand for on the same problems.",
        (
            Pair(Arm("softmax", "piecewise", "local_linear"), Arm("softmax", "piecewise", "local_constant")),
            Pair(Arm("softmax", "piecewise", "local_linear"), Arm("softmax", "piecewise", "line")),
            Pair(Arm("lla", "piecewise"), Arm("softmax", "piecewise")),
            Pair(Arm("lla", "piecewise"), Arm("linear", "piecewise")),
        ),
    ),
    Claim(
        "Two heads reach debiased gradient descent",
        "2503.12734",
        "One layer of softmax attention with two heads learns a debiased step of gradient descent; one head cannot, "
        "and four add nothing.",
        "Errors on linear regression (5 dimensions, 40 examples): of heads with weights set by hand, then of trained "
        "ones (the paper trains 500,000 steps), and of the debiased step itself.",
        (
            Pair(_linear("softmax", "two_heads"), _linear("softmax", "one_head")),
            Pair(_linear("softmax", "two_heads"), _linear("softmax", "debiased_gd"), reaches=True),
            Pair(_linear("softmax-2h"), _linear("softmax")),
            Pair(_linear("softmax-2h"), _linear("softmax-2h", "debiased_gd"), reaches=True),
            Pair(_linear("softmax-2h"), _linear("softmax-4h"), reaches=True),
        ),
    ),
    Claim(
        "Induction heads emerge abruptly",
        "2312.03002",
        "In-context accuracy stays at its plateau and then rises abruptly, when the induction head forms.",
        "Accuracy on fresh classes (`ic`) first lies where a label of the context is copied at random (.25). From "
        "there it goes from 10 to 90 % of its rise within half a decade of training steps, in every seed.",
        abrupt=_classes(),
    ),
    Claim(
        "Bursts and many classes favour learning in context",
        "2312.03002",
        "In-context accuracy grows with burstiness and with the number of classes.",
        "Bursts of 2 and 4 against 1 (no bursts), and 512 classes against 64; accuracy on classes never seen. With "
        "bursts of 4, a label of the context that is copied at random is right in .5 of the cases: who gets no further "
        "has not learned which.",
        (
            Pair(_classes(), _classes("classes-b1")),
            Pair(_classes("classes-b4"), _classes(), floor=COPIED),
            Pair(_classes(), _classes("classes-k64")),
        ),
    ),
)
