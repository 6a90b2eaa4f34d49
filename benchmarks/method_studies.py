"""The studies of docs/methods.md: which methods are played on which task and model, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.plugins.registry import ROOT

FOLDER = ROOT / "results/methods"
"""Where the runs of studies are kept, one bundle each (`harness.interop.bundle`)."""
HALLUCINATION = (
    *("vanilla", "vcd", "pai", "vista", "var", "dola", "paint", "flowcut", "iri", "vhr", "gift", "icd", "sid", "inter"),
    *("truthprint", "carve", "opera"),
)
"""Against hallucination, by cost. AGLA needs a matching model from outside."""
LOOKING = ("crop_center", "visrl", "deepeyes")
ATTENTION = ("act", "powerattention", "context_steering", "soft_injection")
CACHE = ("streaming_llm", "h2o", "snapkv", "window", "stride", "lazyeviction", "delta", "gui_kv")
TOWER = ("prune", "neighborhood", "bi_level", "inward_window")
WITHOUT_SEARCH = tuple(m for m in HALLUCINATION if m != "opera")
"""OPERA takes a hundred times as many passes as vanilla on POPE: it is played on a part of the questions."""
WRITTEN = tuple(m for m in CACHE if m != "gui_kv")
"""Of a prompt without pictures GUI-KV makes what SnapKV makes."""

Words = tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """Runs that belong together: `words` are those of all, `runs` what each adds; the first is the base.

    `table`: pope, chair, kept (score against budget) or agents (what pipelines measured beside the score).
    """

    name: str
    table: str
    words: Words
    runs: tuple[Words, ...]
    beside: tuple[str, ...] = ()
    """What a table of budgets or of agents shows beside the score, where a run has it."""
    whole: int | None = None
    """Samples of the whole task, where the study plays a part of them."""

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.name}.parquet"

    def all(self) -> Iterator[Words]:
        """The words of each run."""
        return ((*self.words, *run) for run in self.runs)


def _methods(*names: str) -> tuple[Words, ...]:
    return tuple((f"method={name}",) for name in names)


def _budgets(names: Iterable[str], values: Iterable[float], **more: Words) -> tuple[Words, ...]:
    """Each method at each budget, behind vanilla; the larger budgets first. `more`: further words of a method."""
    by = sorted(values, reverse=True)
    runs = [(f"method={n}", f"method.{n}.budget={b:g}", *more.get(n, ())) for b in by for n in names]
    return (("method=vanilla",), *runs)


PIPELINES = (
    *_methods("vanilla", "crop_center", "cot", "visrl", "deepeyes", "focus"),
    *(("method=focus", f"method.focus.mode={mode}") for mode in ("fast", "slow")),
)
MEASURED = ("box_found", "turns", "tool_calls", "bad_calls", "answered", "slow")
"""What pipelines say of themselves."""
DRAWN = (("method=vanilla",), *(("method=self_consistency", f"method.self_consistency.n={n}") for n in (3, 9)))
"""Greedy answers are all equal: with decoding=nucleus."""


def _agents(task: str, model: str, limit: int | None = None, whole: int | None = None) -> tuple[Study, Study]:
    """Pipelines on a task, and self-consistency on drawn answers."""
    words = (f"task={task}", f"model={model}", *([f"limit={limit}"] if limit else []))
    drawn = Study(f"{task}-drawn-{model}", "agents", (*words, "decoding=nucleus"), DRAWN, ("agreement",), whole)
    return Study(f"{task}-agents-{model}", "agents", words, PIPELINES, ("unparsed", *MEASURED), whole), drawn


def _opera(name: str, *words: str) -> Study:
    """OPERA beside vanilla on a quarter of POPE."""
    runs = _methods("vanilla", "opera")
    return Study(f"pope-opera-{name}", "pope", ("task=pope", *words, "limit=900"), runs, whole=3600)


def _power(block: int) -> tuple[Words, ...]:
    """Patterns of as many blocks each. They have no budget, and act while the prompt is read, too."""
    words = ("method=powerattention", f"method.powerattention.block={block}")
    return tuple((*words, f"method.powerattention.pattern={p}") for p in ("power", "window", "stride"))


def _lazy(window: int, *more: str) -> Words:
    """LazyEviction's window is as long as the answers here: it evicts every so many steps."""
    return (f"method.lazyeviction.window={window}", *more)


SEEDS = {
    "smol-llava": ("model=smol-llava",),
    "smol-llava-1": ("model=smol-llava", "model.delta=smol-llava-1"),
}
"""Both seeds of smol-llava's training: what is said of a method must hold on both."""
SCREENSPOT = ("task=screenspot", "model=tiny-llava")
NIAH = (
    *("task=niah", "model=smollm2", "task.variants=[single_1,single_2,single_3,multikey_1]", "task.style=reason"),
    *("task.max_new_tokens=64", "task.lengths=[512]"),
)
MINIWOB = ("task=miniwob", "task.data=embedded", "task.seeds=1", "task.observation=[axtree]", "task.max_steps=6")
HISTORY = ("task=miniwob", "model=tiny-llava", "task.screenshots=3", "task.max_steps=4", "task.seeds=1", "task.pages=2")
COPIER = ("model=openai", "model.name=copier", "model.base_url=http://127.0.0.1:8123/v1")
"""The server of benchmarks/copier.py."""
PAGES = "[click-button,click-dialog,click-link,click-tab,enter-text,focus-text,click-option,login-user]"
FEW = ("task=miniwob", "task.observation=[axtree]", "task.max_steps=3", f"task.tasks={PAGES}", "task.seeds=1")
STUDIES = {
    s.name: s
    for s in (
        Study(
            "pope-tiny-llava",
            "pope",
            ("task=pope", "model=tiny-llava"),
            _methods(*WITHOUT_SEARCH, *ATTENTION, *LOOKING),
        ),
        _opera("tiny-llava", "model=tiny-llava"),
        *_agents("pope", "tiny-llava"),
        *_agents("stare", "tiny-llava"),
        *_agents("pope", "smol-llava", 360, 3600),
        *(
            Study(f"{task}-{name}", task, (f"task={task}", *words), _methods(*methods))
            for name, words in SEEDS.items()
            for task, methods in (
                ("pope", (*WITHOUT_SEARCH, *ATTENTION, *TOWER, *LOOKING)),
                ("chair", (*HALLUCINATION, *ATTENTION, *TOWER, *CACHE)),
            )
        ),
        *(_opera(name, *words) for name, words in SEEDS.items()),
        Study(
            "niah-kept-smollm2",
            "kept",
            NIAH,
            (
                *_budgets(WRITTEN, (0.1, 0.2, 0.5), lazyeviction=_lazy(8, "method.lazyeviction.alpha=0.001")),
                *_power(32),
            ),
            whole=80,
        ),
        Study(
            "niah-tenth-smollm2",
            "kept",
            NIAH,
            (
                *_budgets(
                    ("window", "stride", "lazyeviction", "delta"),
                    (0.1,),
                    lazyeviction=_lazy(8, "method.lazyeviction.alpha=0.001"),
                ),
                *_power(32),
            ),
            whole=80,
        ),
        Study(
            "chair-kept-tiny-llava",
            "kept",
            ("task=chair", "model=tiny-llava"),
            _budgets(CACHE, (0.1, 0.2, 0.5), lazyeviction=_lazy(4)),
            beside=("mentioned",),
        ),
        Study(
            "chair-history-kept-tiny-llava",
            "kept",
            ("task=chair", "model=tiny-llava", "fewshot=2"),
            _budgets(CACHE, (0.2, 0.5), lazyeviction=_lazy(4)),
            beside=("mentioned", "recalled"),
        ),
        Study(
            "screenspot-kept-tiny-llava",
            "kept",
            SCREENSPOT,
            (*_budgets(CACHE, (0.1, 0.2, 0.5), lazyeviction=_lazy(4)), *_power(8)),
        ),
        Study(
            "mm_niah-kept-smol-llava",
            "kept",
            (
                *("task=mm_niah", "model=smol-llava", "task.subtasks=[retrieval-text,retrieval-image]"),
                "limit=24",
            ),
            _budgets(("window", "snapkv", "gui_kv", "delta", "lazyeviction"), (0.2,), lazyeviction=_lazy(4)),
            whole=180,
        ),
        Study(
            "miniwob-history-kept-tiny-llava",
            "kept",
            HISTORY,
            _budgets(CACHE, (0.2,), lazyeviction=_lazy(4)),
        ),
        Study(
            "screenspot-agents",
            "agents",
            SCREENSPOT,
            (
                *_methods("vanilla", "ocr_click", "crop_center", "cot", "visrl", "deepeyes", "focus"),
                ("method=focus", "method.focus.mode=slow"),
            ),
            beside=("unparsed", "clicked", *MEASURED),
        ),
        Study(
            "miniwob-synapse-copier",
            "agents",
            (*MINIWOB, *COPIER),
            (
                *_methods("synapse"),
                ("method=synapse", "method.synapse.memory=name"),
                ("method=synapse", "method.synapse.shots=1"),
            ),
            beside=("own_page", "steps", "format_errors", "refused"),
        ),
        Study(
            "miniwob-synapse-smollm2",
            "agents",
            (*FEW, "model=smollm2"),
            (*_methods("vanilla"), ("method=synapse", "method.synapse.shots=1")),
            beside=("own_page", "steps", "format_errors", "refused"),
        ),
    )
}
