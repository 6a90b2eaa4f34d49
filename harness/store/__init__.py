"""DuckDB over all runs. The database is an index: `results/runs/` is the truth, and `ingest` rebuilds it."""

from harness.store.ingest import IngestReport, ingest
from harness.store.missing import catch_up, indexed
from harness.store.queries import Store

__all__ = ["IngestReport", "Store", "catch_up", "indexed", "ingest"]
