"""The layouts in which known programs publish answers, and the names that fields have elsewhere."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from harness.answers.rows import KEY, VALUE

IDS = ("sample", "sample_id", "id", "question_id", "qid", "pid", KEY, "image_id", "index", "doc_id")
"""Fields that may name a row's sample, the likelier ones first."""
POSITIONS = ("index", "doc_id")
"""Those that programs count from 0 in the order of the records: right only where something else in the row agrees."""
ANSWERS = (
    "answer", "text", "response", "output", "outputs", "prediction", "pred", "caption", "answers", "responses",
    "predictions", "predict", "generated_text", "generation", "completion", "model_answer", "model_output",
    "model_response", "model_prediction", "raw_response", "raw_output", "llm_answer", "reply", "content", VALUE,
    "filtered_resps", "resps",
)  # fmt: skip
"""Fields that may hold what a model said. Where two are there, one of them is often the label or the prompt."""
LABELS = (
    "label", "labels", "target", "targets", "gt", "gt_answer", "gt_ans", "gt_content", "ground_truth", "groundtruth",
    "reference", "references", "gold", "golds", "solution", "answer_key", "correct_answer", "correct_option",
)  # fmt: skip
"""Fields that never hold what a model said."""
KEYLIKE = ("answer", "answers", "outputs", VALUE)
"""Candidates for answers whose name data sets use for the label."""
SHARED = (*KEYLIKE, "output", "text", "content", "caption")
"""Candidates whose name data sets also use for what is right or what is asked."""
SPOKEN = re.compile(
    r"(?:.*[ ._-])?(?:pred|predictions?|predicted|responses?|generated|generation|completion|reply|hypothesis)"
    r"(?:[ ._-](?:answer|text|caption|output|words|content))?"
)
"""Names, in small letters, that say of a field that a model wrote it."""
QUESTIONS = ("question", "prompt_to_evaluate", "instruction", "query", "prompt", "input")
IMAGES = (
    "image", "image_source", "image_name", "file_name", "image_file", "img_filename", "img_path", "image_path",
    "image_id",
)  # fmt: skip
SPLITS = (
    "group", "split", "category", "subtask", "task", "subset", "set", "type", "dataset", "config",
)  # fmt: skip
"""Fields that may name a split; one does if its values are names of the task's groups."""


@dataclass(frozen=True)
class Layout:
    """Rows with all fields of `needs` are of this layout: `answer` is the field with the model's words, `labels` are
    fields with the key and `beside` with something else, though their names could be an answer's. `source` is what
    writes the layout."""

    name: str
    source: str
    needs: tuple[str, ...]
    answer: str
    labels: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


RUN = "samples of a run"
LAYOUTS = (
    Layout(RUN, "harness eval's samples.jsonl", ("id", "target", "answer", "verdict", "scores"),
           "answer"),
    Layout("lmms-eval samples", "lmms-eval --log_samples", ("doc_id", "filtered_resps", "input"), "filtered_resps",
           beside=("resps",)),
    Layout("lm-eval or lmms-eval samples", "lm_eval --log_samples", ("doc_id", "filtered_resps"), "filtered_resps",
           beside=("resps",)),
    Layout("LLaVA answers", "LLaVA's model_vqa_loader", ("question_id", "prompt", "text"), "text"),
    Layout("VLMEvalKit table", "VLMEvalKit's result files", ("index", "question", "prediction"), "prediction",
           ("answer",)),
    Layout("MM-NIAH outputs", "MM-NIAH's eval scripts", ("question_id", "answer", "response", "context_length"),
           "response", ("answer",)),
    Layout("RULER predictions", "RULER's call_api", ("index", "pred", "outputs"), "pred", ("outputs",)),
    Layout("STARE results", "STARE's generate_response", ("query", "gt_content", "answer", "response"), "response",
           ("answer",)),
    Layout("ScreenSpot-Pro results", "ScreenSpot-Pro's eval_screenspot_pro", ("prompt_to_evaluate", "raw_response"),
           "raw_response", beside=("pred",)),
    Layout("COCO captions", "COCO's result format, CHAIR", ("image_id", "caption"), "caption",
           beside=("text",)),
)  # fmt: skip


def recognised(fields: Collection[str]) -> Layout | None:
    """The first layout whose fields are all there, if no other field could be the answer as well."""
    for layout in LAYOUTS:
        if all(f in fields for f in layout.needs):
            others = [f for f in ANSWERS if f in fields and f not in (layout.answer, *layout.labels, *layout.beside)]
            return None if others else layout
    return None
