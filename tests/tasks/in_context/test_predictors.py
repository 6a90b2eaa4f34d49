"""Predictors of known form: levels, limits and identities that their papers state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.tasks.in_context import linear, local, piecewise
from harness.tasks.in_context.problems import Problems

NOISE = 0.1


@pytest.fixture(scope="module")
def problems() -> Problems:
    return linear.make(4000, 40, np.random.default_rng(0), dimension=5, noise=NOISE)


def mse(said: np.ndarray, p: Problems) -> float:
    return float(((said - p.target) ** 2).mean())


LEVELS = {"zero": 1.10, "one_head": 0.40, "two_heads": 0.2425, "debiased_gd": 0.2425, "gd": 0.239, "bayes": 0.114}
"""Computed from 20,000 problems of five dimensions with 40 examples and a noise of 0.1."""


def test_levels(problems):
    found = {name: mse(said, problems) for name, said in linear.predictors(problems, NOISE).items()}
    for name, level in LEVELS.items():
        assert found[name] == pytest.approx(level, rel=0.05), name
    order = ["bayes", "local_linear", "gd", "debiased_gd", "one_head", "zero"]
    assert [n for n in sorted(found, key=found.__getitem__) if n in order] == order


@pytest.mark.parametrize(("dimension", "length", "noise"), [(5, 40, 0.1), (3, 12, 0.5), (8, 100, 0.0)])
def test_steps_have_the_error_that_theory_gives_them(dimension, length, noise):
    p = linear.make(10000, length, np.random.default_rng(1), dimension=dimension, noise=noise)
    plain = 1 + noise - length / (length + dimension + 1 + noise * dimension)
    debiased = 1 + noise - (length - 1) / (length + dimension + noise * dimension)
    assert mse(linear.gradient_step(p, noise), p) == pytest.approx(plain, rel=0.06)
    assert mse(linear.gradient_step(p, noise, debiased=True), p) == pytest.approx(debiased, rel=0.06)


def test_two_heads_are_a_debiased_gradient_step_on_every_problem(problems):
    away = linear.two_heads(problems, NOISE) - linear.gradient_step(problems, NOISE, debiased=True)
    assert np.abs(away).max() < 1e-3


def test_the_order_of_examples_and_the_scale_of_y(problems):
    p = replace(problems, x=problems.x[:50], y=problems.y[:50], query=problems.query[:50], target=problems.target[:50])
    turned = replace(p, x=p.x[:, ::-1], y=p.y[:, ::-1])
    scaled = replace(p, y=3 * p.y)
    for name, said in linear.predictors(p, NOISE).items():
        assert np.allclose(said, linear.predictors(turned, NOISE)[name], atol=1e-8), name
        assert np.allclose(3 * said, linear.predictors(scaled, NOISE)[name], atol=1e-8), name


def test_a_shift_of_y_moves_one_head_and_not_two(problems):
    shifted = replace(problems, y=problems.y + 2)
    assert np.allclose(linear.head(shifted, 0.5) - linear.head(problems, 0.5), 2)
    assert np.allclose(linear.two_heads(shifted, NOISE), linear.two_heads(problems, NOISE), atol=1e-8)


def test_ridge_is_the_posterior_mean(problems):
    x, y, q = problems.x[0], problems.y[0], problems.query[0]
    prior = np.linalg.inv(np.eye(5) / 5)
    mean = np.linalg.solve(prior + x.T @ x / NOISE, x.T @ y / NOISE)
    assert linear.ridge(problems, NOISE)[0] == pytest.approx(mean @ q, abs=1e-10)


def test_limits_of_the_local_linear_predictor():
    p = piecewise.make(300, 64, np.random.default_rng(2), dimension=2, noise=0.05)
    stiff = local.Kernel(constant=0.5, linear=0.5, ridge=1e9)
    assert np.allclose(local.linear(p, stiff), local.constant(p, stiff), atol=1e-6)
    wide = local.Kernel(constant=0.5, linear=1e4, ridge=1e-12)
    assert np.allclose(local.linear(p, wide), local.line(p, 1e-6), atol=1e-3)
    exact = replace(p, y=p.x @ np.array([1.5, -2.0]) + 0.3)
    told = local.linear(exact, local.Kernel(constant=0.5, linear=1.0, ridge=1e-10))
    assert np.allclose(told, p.query @ np.array([1.5, -2.0]) + 0.3, atol=1e-4)


def test_local_linear_lies_between_where_the_map_bends_and_beats_both():
    p = piecewise.make(3000, 64, np.random.default_rng(3), dimension=2, noise=0.05)
    found = {name: mse(said, p) for name, said in piecewise.predictors(p, 0.05).items()}
    assert sorted(found, key=found.__getitem__) == ["bayes", "local_linear", "local_constant", "line", "zero"]
    assert found["bayes"] == pytest.approx(0.0617, rel=0.05)


def test_sequences_show_the_examples_and_hide_the_answer(problems):
    values = problems.values
    assert values.shape == (4000, 41, 6) and values.dtype == np.float32
    assert (values[:, -1, -1] == 0).all()
    assert np.allclose(values[:, :-1, -1], problems.y, atol=1e-6) and np.allclose(values[:, -1, :-1], problems.query)
