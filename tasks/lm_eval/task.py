"""A task (or a group of tasks) of lm-eval as a task: one document is one sample."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

from harness.core import Decoding, Metric, Outcome, Reply, Request, Result, Sample, Task, UsageError
from harness.core.types import Likelihood
from harness.interop.documents import by_lot, code, contents, documents
from harness.interop.scoring import plain, split, summary
from harness.tasks.lm_eval.loading import load
from harness.tasks.lm_eval.requests import ask, chat


class LmEval(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    pure = False

    def __init__(
        self,
        name: str,
        data: str,
        include: str | None,
        num_fewshot: int | None,
        apply_chat_template: bool,
        fewshot_as_multiturn: bool | None,
        system_instruction: str | None,
        metric: str | None,
        overrides: Mapping[str, Any],
        metadata: Mapping[str, Any],
        fewshot_seed: int,
    ):
        if fewshot_as_multiturn and not apply_chat_template:
            raise UsageError("task.fewshot_as_multiturn=true needs task.apply_chat_template=true")
        self.name, self.asked, self.data, self.include = f"lm_eval.{name}", name, data, include
        self.num_fewshot, self.system_instruction, self.metric = num_fewshot, system_instruction, metric
        self.apply_chat_template = apply_chat_template
        self.fewshot_as_multiturn = apply_chat_template if fewshot_as_multiturn is None else fewshot_as_multiturn
        self.overrides, self.metadata, self.fewshot_seed = dict(overrides), dict(metadata), fewshot_seed

    @cached_property
    def _tasks(self) -> dict[str, Any]:
        """Set up as `lm_eval.simple_evaluate` does."""
        found = load(self.asked, self.include, self.overrides, self.metadata)
        for task in found.values():
            if self.num_fewshot is not None and task.get_config("num_fewshot") != 0:
                task.set_config(key="num_fewshot", value=self.num_fewshot)  # a task that is zero-shot stays so
            task.set_fewshot_seed(seed=self.fewshot_seed)
            task.build_all_requests(
                rank=0,
                world_size=1,
                system_instruction=self.system_instruction,
                apply_chat_template=self.apply_chat_template,
                fewshot_as_multiturn=self.fewshot_as_multiturn,
                chat_template=chat if self.apply_chat_template else None,
                tokenizer_name="",
            )
        return found

    @cached_property
    def _documents(self) -> dict[str, tuple[Any, list[Any]]]:
        return documents(self._tasks)

    @cached_property
    def _targets(self) -> dict[str, Any]:
        return {key: plain(task.doc_to_target(some[0].doc)) for key, (task, some) in self._documents.items()}

    @property
    def decoding(self) -> Decoding:  # type: ignore[override]
        """What `decoding=task` means: the first task's generation settings."""
        task = next(iter(self._tasks.values()))
        given = task.config.generation_kwargs or {}
        if not given.get("do_sample") or not given.get("temperature"):
            return Decoding()
        return Decoding(
            "nucleus",
            temperature=float(given["temperature"]),
            top_p=float(given.get("top_p", 1.0)),
            top_k=int(given.get("top_k", 0)),
        )

    def samples(self) -> Iterator[Sample]:
        """The group is lm-eval's task, the cluster the document."""
        for key, (task, _) in self._documents.items():
            yield Sample(key, f"lm_eval:{key}", task.task_name, self._targets[key], {"question_id": key})

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        task, instances = self._documents[sample.id]
        yield from ask(instances)
        for each in getattr(task, "_filters", ()):
            each.apply(instances)
        names = list(instances[0].filtered_resps)
        found: dict[str, Any] = {}
        for name in names:
            answers = [i.filtered_resps[name] for i in instances]
            own = task.process_results(instances[0].doc, answers)
            found |= {f"{metric},{name}" if len(names) > 1 else metric: value for metric, value in own.items()}
        scores, values = split(found)
        said = [r for i in instances for r in i.resps]
        details: dict[str, Any] = {"question": str(instances[0].args[0])[-600:]}
        if values:
            details["values"] = values
        if instances[0].request_type == "generate_until":
            answer = "\n---\n".join(said)
            verdict = str(instances[0].filtered_resps[names[0]])[:200]
        else:
            answer = json.dumps(said)
            best = max(range(len(instances)), key=lambda i: instances[i].resps[0][0]) if len(instances) > 1 else 0
            verdict = str(instances[best].args[-1])[:200]
            details["likelihoods"] = said
        return Outcome(answer, scores, verdict, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        """By lm-eval's own aggregation."""
        return summary(results, self._tasks, self.metric, self.asked)

    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for key, (_, instances) in self._documents.items():
            digest.update(json.dumps([key, [i.args for i in instances]], default=str).encode())
            digest.update(json.dumps(self._targets[key], default=str).encode())
            digest.update(contents(instances[0].doc).encode())
        for task in self._tasks.values():
            digest.update(json.dumps(_settings(task), sort_keys=True, default=_name).encode())
        digest.update(" ".join([version("lm-eval"), *code(self.include)]).encode())
        return digest.hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        """The key, where lm-eval's task has one that can be stated."""
        task, instances = self._documents[sample.id]
        if not request.continuations:
            return _text(sample.target)
        if len(instances) == 1:
            return Reply.said([Likelihood(0.0, True)] * len(request.continuations))
        gold = _gold(task, instances)
        return Reply.said(
            [Likelihood(0.0, True) if c in gold else Likelihood(-1e3, False) for c in request.continuations]
        )

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        return by_lot(request, rng)

    def describe(self) -> dict[str, Any]:
        return {
            "peer": f"lm-eval {version('lm-eval')}",
            "tasks": {n: {"version": t.VERSION, "type": t.OUTPUT_TYPE} for n, t in self._tasks.items()},
            "documents": len(self._documents),
            "num_fewshot": {n: t.get_config("num_fewshot") for n, t in self._tasks.items()},
            "apply_chat_template": self.apply_chat_template,
            "fewshot_as_multiturn": self.fewshot_as_multiturn,
            "system_instruction": self.system_instruction,
            "overrides": self.overrides,
        }


def _gold(task: Any, instances: Sequence[Any]) -> set[str]:
    """The continuations that are right."""
    target = task.doc_to_target(instances[0].doc)
    said = [i.args[1] for i in instances]
    if isinstance(target, int):
        return {said[target]}
    wanted = target if isinstance(target, list) else [target]
    return {
        said[w] if isinstance(w, int) else next((s for s in said if s.strip() == str(w).strip()), "") for w in wanted
    }


def _settings(task: Any) -> dict[str, Any]:
    """Settings of the task's YAML. Functions are known by name, the version and the instances."""
    return {k: v for k, v in task.dump_config().items() if k != "metadata"}


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", type(value).__name__)


def _text(target: Any) -> str:
    return _text(target[0]) if isinstance(target, list) and target else str(target)
