from harness.core import Outcome, Result
from harness.stats import failed


def test_failed_samples_are_counted_apart():
    rows = [Result(str(i), str(i // 2), "all", None, Outcome("", {"x": 1.0}) if i else None) for i in range(4)]
    found = failed(rows, "g", of="captions")
    assert (found.name, found.group, found.value, found.n, found.clusters) == ("failed", "g", 0.25, 4, 2)
    assert found.note == "1 of 4 captions failed and are missing" and found.higher_is_better is False
    assert failed(rows[1:]).note == "" and failed([]).value == 0.0
