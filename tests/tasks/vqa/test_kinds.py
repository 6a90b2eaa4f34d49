"""Each kind's scores: values of the official scripts, and what must hold for any answer."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core import Picture
from harness.tasks.vqa.kinds import KINDS, How
from harness.tasks.vqa.kinds.choice import PARSERS
from harness.tasks.vqa.kinds.number import chartqa, last, near
from harness.tasks.vqa.kinds.places import iou
from harness.tasks.vqa.kinds.yesno import word
from harness.tasks.vqa.record import Question
from harness.tasks.vqa.texts import anls, distance, exact, f1
from harness.tasks.vqa.vqav2 import CONTRACTIONS, accuracy, processed
from tests.tasks.vqa.made import picture

OPTIONS = {"A": "red", "B": "blue", "C": "green dog", "D": "cat"}
NOISE = st.text(st.sampled_from("ABCDEZabcd().,:* \n\\{}redblu019%-/<>[]"), max_size=60) | st.text(max_size=30)


@pytest.mark.parametrize(
    ("parser", "answer", "letter"),
    [
        # MMMU: brackets before bare letters, the last one counts; options' words only in more than five
        ("mmmu", "B.", "B"),
        ("mmmu", "The answer is (B), not (C)", "C"),
        ("mmmu", "(A) or B ", "A"),
        ("mmmu", "Because it barks it is the green dog", "C"),
        ("mmmu", "green dog", ""),
        ("mmmu", "**B**", ""),
        # VLMEvalKit: one letter among the last five words; an option's words in a short answer; refusals are Z
        ("vlmevalkit", "**B**", "B"),
        ("vlmevalkit", "A dog runs over the green lawn here", ""),
        ("vlmevalkit", "The answer is B because I see it very well there", "B"),
        ("vlmevalkit", "it is the cat", "D"),
        ("vlmevalkit", "a cat or something red", ""),
        ("vlmevalkit", "A or B", ""),
        ("vlmevalkit", "Cannot determine the answer", "Z"),
        # lmms-eval's MMBench: A among more than three words is an article; E is a letter, whatever the options
        ("mmbench", "B", "B"),
        ("mmbench", "A", "A"),
        ("mmbench", "A cat sits here", "D"),
        ("mmbench", "I choose (C).", "C"),
        ("mmbench", "E", "E"),
        ("lenient", "so the answer is c", "C"),
        ("strict_official", "\\boxed{B}", "B"),
    ],
)
def test_letters_by_the_rules_of_their_sources(parser, answer, letter):
    assert PARSERS[parser](answer, OPTIONS) == letter


@settings(max_examples=40)
@given(NOISE)
def test_letters_are_read_from_any_text(answer):
    for name, parser in PARSERS.items():
        found = parser(answer, OPTIONS)
        assert name == "strict_official" or found in {*OPTIONS, "", "E", "Z"}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("letter", OPTIONS)
def test_a_letter_alone_is_that_letter(parser, letter):
    assert PARSERS[parser](letter, OPTIONS) == letter


def test_processing_of_vqav2():
    """Made with vqaEval.py of GT-Vision-Lab/VQA, commit a013f00."""
    cases = {
        "A red, blue and green  ball.": "red blue and green ball",
        "Two dogs": "2 dogs",
        "dont": "don't",
        "couldnt've": "couldn't've",
        "somebody'd": "somebodyd",
        "1,000 people?": "1000 people",
        "red/blue": "red blue",
        "3.5": "3.5",
        "U.S.": "us",
        "None": "0",
        "x-ray": "x ray",
        "x-ray - left": "xray left",
    }
    assert {said: processed(said) for said in cases} == cases
    assert len(CONTRACTIONS) == 114


def test_accuracy_of_vqav2():
    """Ten annotators; the mean over the ten sets of nine."""
    ten = [*["red"] * 3, *["blue"] * 2, "green", *["pink"] * 4]
    assert [accuracy(w, ten) for w in ("red", "blue", "green", "pink", "x")] == pytest.approx([0.9, 0.6, 0.3, 1, 0])
    assert accuracy("The red.", ten) == pytest.approx(0.9)
    assert (accuracy("Yes", ["yes"] * 10), accuracy("Yes", ["yes"] * 10, official=True)) == (1, 0)
    assert accuracy("Yes", ["yes"] * 9 + ["no"], official=True) == 1


@settings(max_examples=40)
@given(NOISE, st.lists(st.sampled_from(["red", "blue", "2", "the dog"]), min_size=4, max_size=12))
def test_accuracy_is_a_share(said, answers):
    assert 0 <= accuracy(said, answers) <= 1
    best = max(answers, key=answers.count)
    assert accuracy(best, answers) == pytest.approx(max(accuracy(a, answers) for a in answers))


def test_anls_by_hand():
    """DocVQA: 1 edit of 6 characters is 0.833; half or more of a text wrong is 0; the best answer counts."""
    assert anls("coffe", ["coffee"]) == pytest.approx(5 / 6)
    assert anls("Coffee", ["coffee", "tea"]) == 1
    assert (anls("ab", ["abcd"]), anls("a", ["abcd"]), anls("", ["abcd"])) == (0.5, 0, 0)
    assert distance("kitten", "sitting") == 3


@settings(max_examples=40)
@given(NOISE, NOISE)
def test_likeness_of_texts(a, b):
    for score in (exact(a, b), f1(a, b), anls(a, [b])):
        assert 0 <= score <= 1
    assert exact(a, a) == f1(a, a) == anls(a, [a]) == 1
    assert exact(a, b) == exact(b, a) and f1(a, b) == pytest.approx(f1(b, a))
    assert distance(a, b) == distance(b, a) <= max(len(a), len(b))


def test_words_and_articles():
    assert exact("The red car.", "red car") == exact("“Café”", "cafe\u0301") == 1
    assert exact("-5", "5") == exact("x b", "b x") == 0
    assert exact("The", "a") == 0
    assert f1("the red big car", "a red car") == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("It is 1,234.5 m", "1,234.5"),
        ("-3", "-3"),
        ("2 + 3 = 5.", "5"),
        ("three dogs", "3"),
        ("12%", "12%"),
        ("1e3", "1e3"),
        ("none", ""),
        ("COVID19", ""),
        ("10-20", "20"),
        ("1,5 m", "1,5"),
        ("2, 3", "3"),
    ],
)
def test_numbers_in_answers(answer, read):
    assert last(answer) == read


def test_tolerance():
    """ChartQA's relaxed_correctness, and ours."""
    assert [chartqa(said, "100", 0.05) for said in ("105", "94", "about 100", "100%")] == [True, False, False, False]
    assert chartqa("0", "0", 0.05) and not chartqa("0.0", "0", 0.05)
    assert near("105", "100", 0.05, 0) and not near("106", "100", 0.05, 0) and near("106", "100", 0, 6)
    assert near("5%", "5", 0, 0) and near("5%", "0.05", 0, 0) and near("1,000", "1000", 0, 0)
    assert near("1,5", "1.5", 0, 0) and not near("1,5", "15", 0, 0)
    assert not chartqa("inf", "5", 0.05) and chartqa("5", "5", 0) and not chartqa("1,000", "1000", 0.05)


@given(st.floats(-1e9, 1e9).map(lambda v: round(v, 4)), st.floats(0, 1))
def test_a_number_is_near_itself(value, tolerance):
    assert near(str(value), str(value), tolerance, 0) and near(last(f"so {value:.4f}"), f"{value:.4f}", 0, 0)


CORNER = st.integers(0, 40)
SHOWN = Picture(picture())
BOXES = st.tuples(CORNER, CORNER, CORNER, CORNER)


@given(BOXES, BOXES)
def test_iou(a, b):
    assert iou(a, b) == iou(b, a) and 0 <= iou(a, b) <= 1
    assert iou(a, a) == (a[0] != a[2] and a[1] != a[3])


def test_iou_by_hand():
    assert iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert iou((0, 0, 4, 4), (0, 0, 4, 2)) == 0.5


def test_yes_and_no():
    said = ("**No**", "Yes, no doubt", "I know", "Not sure", "yes/no", "", "NO.")
    assert [word(s) for s in said] == ["no", "yes", None, None, "yes", None, "no"]


@settings(max_examples=20)
@given(NOISE, st.integers())
def test_every_kind_scores_any_answer(answer, seed):
    """And its oracle scores full marks, its chance something that is read."""
    answers = {"yesno": ("no",), "choice": ("B",), "number": ("3.5",)}
    for name, form in KINDS.items():
        for parser in form.parsers or ("",):
            kind = form(How(parser, "vqa"))
            record = Question(
                "1", "c", "all", "Which?", answers.get(name, ("red",) * 10), tuple(OPTIONS.values()), "Which?",
                (1.0, 2.0, 30.0, 18.0) if name in ("box", "point") else None, pictures=(SHOWN,),
            )  # fmt: skip
            if name in ("box", "point") and parser not in ("pixel", "point_or_box", "lmms_v2"):
                continue  # they need a picture
            names = {part for s in kind.scores for part in s.parts if part}
            assert set(kind.score(record, answer).scores) == names
            best = kind.score(record, kind.oracle(record)).scores
            assert all(best[s.name] == 1 for s in kind.scores if s.primary)
            drawn = kind.chance(record, random.Random(seed))
            assert drawn is None or not kind.score(record, drawn).scores.get("unparsed")
