"""A task (or a group of tasks) of lmms-eval as a task: one document is one sample."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

from harness.core import Metric, Missing, Outcome, Reply, Request, Result, Sample, Task, user
from harness.core.types import Likelihood
from harness.interop.documents import by_lot, code, contents, documents
from harness.interop.pictures import placed, shared, visuals
from harness.interop.scoring import plain, split, summary
from harness.tasks.lmms_eval.loading import load

KINDS = ("generate_until", "loglikelihood")
TOKENS = 1024
"""New tokens where the task names none, as lmms-eval's llava_hf."""


class LmmsEval(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    pure = False

    def __init__(
        self,
        name: str,
        data: str,
        include: str | None,
        model_name: str,
        num_fewshot: int | None,
        metric: str | None,
        process_with_media: bool,
    ):
        self.name, self.asked, self.data, self.include = f"lmms_eval.{name}", name, data, include
        self.model_name, self.num_fewshot, self.metric = model_name, num_fewshot, metric
        self.process_with_media = process_with_media

    @cached_property
    def _tasks(self) -> dict[str, Any]:
        """Set up as lmms-eval's `simple_evaluate` does for models of its "simple" kind."""
        found = load(self.asked, self.include, self.model_name)
        for name, task in found.items():
            if self.num_fewshot is not None and task.get_config("num_fewshot") != 0:
                task.set_config(key="num_fewshot", value=self.num_fewshot)
            task.build_all_requests(
                limit=None,
                offset=0,
                rank=0,
                world_size=1,
                cache_requests=False,
                rewrite_requests_cache=False,
                system_instruction=None,
                apply_chat_template=False,
                fewshot_as_multiturn=False,
                chat_template=None,
                tokenizer_name="",
            )
            if (kind := task.instances[0].request_type) not in KINDS:
                raise Missing(f"lmms-eval's task {name} asks for {kind}, which is not bridged: {', '.join(KINDS)} are")
        return found

    @cached_property
    def _documents(self) -> dict[str, tuple[Any, list[Any]]]:
        return documents(self._tasks)

    @cached_property
    def _pictures(self) -> dict[str, list[str]]:
        """Task -> for each document the name of its stored pictures."""
        return {name: shared(task.eval_docs) for name, task in self._tasks.items()}

    def samples(self) -> Iterator[Sample]:
        """The group is lmms-eval's task. The cluster is what its `cluster_key` names, or else the picture, or else the
        document."""
        for key, (task, instances) in self._documents.items():
            number = instances[0].doc_id
            doc = task.eval_docs_no_media[number]
            named = task.config.to_dict().get("cluster_key")
            own = doc[named] if named and named in doc else self._pictures[task.task_name][number] or key
            yield Sample(key, f"lmms_eval:{own}", task.task_name, _target(task, doc), {"question_id": key})

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        task, instances = self._documents[sample.id]
        kind = instances[0].request_type
        said = yield from (_generated(task, instances) if kind == KINDS[0] else _weighed(task, instances))
        for each in getattr(task, "_filters", ()):
            each.apply(instances, None)
        docs = task.eval_docs if self.process_with_media else task.eval_docs_no_media
        doc = docs[instances[0].doc_id]
        names = list(instances[0].filtered_resps)
        extra = {"full_docs": docs} if task.config.to_dict().get("full_docs") else {}
        found: dict[str, Any] = {}
        for name in names:
            answers = [i.filtered_resps[name] for i in instances]
            own = _once(task)(task, doc, answers, **extra)
            found |= {f"{metric},{name}" if len(names) > 1 else metric: value for metric, value in own.items()}
        known = task.aggregation()
        scores, values = split({k: v for k, v in found.items() if k.split(",")[0] in known})
        details: dict[str, Any] = {"question": str(instances[0].args[0])[-600:]}
        if values:
            details["values"] = values
        if kind != KINDS[0]:
            details["likelihoods"] = json.loads(said)
        verdict = str(instances[0].filtered_resps[names[0]])[:200] if kind == KINDS[0] else None
        return Outcome(said, scores, verdict, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        """By lmms-eval's own aggregation."""
        return summary(results, self._tasks, self.metric, self.asked)

    def fingerprint(self) -> str:
        """Digest of prompts, targets, settings, and the stored pictures."""
        documents = self._documents  # first: it reports in one line what is not installed
        digest = hashlib.sha256(" ".join([version("lmms-eval"), *code(self.include)]).encode())
        for key, (task, instances) in documents.items():
            doc = task.eval_docs_no_media[instances[0].doc_id]
            texts = [[a for a in i.args if isinstance(a, str | int | float | dict)] for i in instances]
            digest.update(json.dumps([key, texts, _target(task, doc)], default=str).encode())
            digest.update(contents(doc).encode())
        for name, task in self._tasks.items():
            digest.update(json.dumps(self._pictures[name]).encode())
            digest.update(json.dumps(task.dump_config(), sort_keys=True, default=_name).encode())
        return digest.hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        """The key, where lmms-eval's task has one that can be stated."""
        if not request.continuations:
            target = sample.target
            return str(target[0] if isinstance(target, list) and target else target)
        task, instances = self._documents[sample.id]
        doc = task.eval_docs_no_media[instances[0].doc_id]
        choices = task.doc_to_choice(doc) if len(instances) > 1 else []
        gold = sample.target if isinstance(sample.target, int) else choices.index(sample.target) if choices else 0
        return Reply.said(
            [Likelihood(0.0 if n == gold else -1e3, n == gold) for n in range(len(request.continuations))]
        )

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        return by_lot(request, rng)

    def describe(self) -> dict[str, Any]:
        return {
            "peer": f"lmms-eval {version('lmms-eval')}",
            "tasks": {n: {"version": t.VERSION, "type": t.OUTPUT_TYPE} for n, t in self._tasks.items()},
            "documents": len(self._documents),
            "prompts_of": self.model_name,
            "num_fewshot": {n: t.get_config("num_fewshot") for n, t in self._tasks.items()},
        }


def _generated(task: Any, instances: Sequence[Any]) -> Generator[Request, Reply, str]:
    """Free answers, one per instance and repeat."""
    said = []
    for instance in instances:
        context, settings = instance.args[:2]
        given = copy.deepcopy(settings or {})
        until = given.get("until") or ()
        stop = (until,) if isinstance(until, str) else tuple(until)
        parts = placed(context, _pictures(task, instance))
        instance.resps = []
        for draw in range(instance.repeats or 1):
            reply = yield Request(
                user(*parts), int(given.get("max_new_tokens", TOKENS)), tuple(s for s in stop if s), draw
            )
            instance.resps.append(reply.text)
            said.append(reply.text)
    return "\n---\n".join(said)


def _weighed(task: Any, instances: Sequence[Any]) -> Generator[Request, Reply, str]:
    """Likelihoods. For multiple choice lmms-eval wants mean losses, the least is best."""
    contexts: dict[str, list[Any]] = {}
    for instance in instances:
        contexts.setdefault(instance.args[0], []).append(instance)
    text = "[]"
    for context, some in contexts.items():
        first = some[0]
        pictures = _pictures(task, first) if len(first.args) > 2 else []
        doc = task.eval_docs_no_media[first.doc_id]
        texts = tuple(str(i.args[1](doc)) if callable(i.args[1]) else i.args[1] for i in some)
        reply = yield Request(user(*placed(context, pictures)), 1, continuations=texts)
        text = reply.text
        for instance, one in zip(some, reply.likelihoods, strict=True):
            chosen = task.OUTPUT_TYPE == "multiple_choice"
            instance.resps = [(-one.logprob / one.tokens if chosen else one.logprob, one.greedy)]
    return text


def _pictures(task: Any, instance: Any) -> list[Any]:
    doc_id, where = instance.doc_id, instance.args[-1]
    return visuals(task.doc_to_visual, lambda: task.dataset[where][doc_id], f"{task.task_name}:{doc_id}")


def _once(task: Any) -> Any:
    """`process_results` without its five attempts: what fails once on a document fails each time."""
    method = type(task).process_results
    return getattr(method, "__wrapped__", method)


def _target(task: Any, doc: Any) -> Any:
    """The key as JSON; None where lmms-eval has none that it can name."""
    try:
        return plain(task.doc_to_target(doc))
    except Exception:
        return None


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", type(value).__name__)
