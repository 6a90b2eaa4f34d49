"""How many requests are asked at a time, on simulated servers whose clock is the test's."""

from __future__ import annotations

import heapq

import pytest

from harness.models.openai.gate import Gate

TIMEOUT = 120.0


def simulated(gate: Gate, clock: list[float], seconds: float, places: int, requests: int) -> tuple[float, int]:
    """Play requests through the gate against a server with `places` workers that take `seconds` each: seconds in all,
    and requests that ran into the time-out (they are asked again; the server works on)."""
    workers = [0.0] * places
    flying: list[tuple[float, float]] = []
    left, late = requests, 0
    while left or flying:
        while left and len(flying) < gate.limit:
            ready = max(heapq.heappop(workers), clock[0]) + seconds
            heapq.heappush(workers, ready)
            heapq.heappush(flying, (min(ready, clock[0] + TIMEOUT), clock[0] if ready <= clock[0] + TIMEOUT else -1.0))
            left -= 1
        end, began = heapq.heappop(flying)
        clock[0] = end
        if began < 0:
            late, left = late + 1, left + 1
            gate.busy(end - TIMEOUT)
        else:
            gate.answered(began)
    return clock[0], late


@pytest.mark.parametrize(
    ("seconds", "places", "ends", "late"),
    [
        (0.1, 64, 8, 0),  # fast and parallel
        (20.0, 64, 8, 0),  # slow and parallel
        (40.0, 64, 8, 0),  # a third of the time-out, and parallel
        (1.0, 1, 8, 0),  # serial, and fast: the last of eight waits eight seconds
        (20.0, 1, 4, 0),  # serial: eight at a time would take 160 seconds
        (50.0, 1, 2, 0),
        (100.0, 1, 1, 0),
        (25.0, 2, 8, 0),
    ],
)
def test_a_server_is_asked_as_much_as_it_takes(seconds, places, ends, late):
    clock = [0.0]
    gate = Gate(8, TIMEOUT, now=lambda: clock[0])
    _, found = simulated(gate, clock, seconds, places, 60)
    assert found == late and gate.limit <= ends
    if places > 8:
        assert gate.limit == ends


def test_eight_at_once_would_have_run_into_the_time_out():
    clock = [0.0]
    gate = Gate(8, TIMEOUT, now=lambda: clock[0])
    gate.limit = 8
    assert simulated(gate, clock, 20.0, 1, 60)[1] > 0


def test_a_burst_of_refusals_halves_once_and_is_told_once():
    clock, told = [0.0], []
    gate = Gate(8, TIMEOUT, told.append, now=lambda: clock[0])
    gate.limit = 8
    clock[0] = 1.0
    for _ in range(8):
        gate.busy(0.5)
    assert gate.limit == 4 and told == [4]
    simulated(gate, clock, 0.1, 64, 200)
    assert gate.limit == 8
