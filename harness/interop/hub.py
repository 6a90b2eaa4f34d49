"""Results for the Hugging Face Hub: a dataset of runs, and a model card's table with its model-index metadata.

Everything is written as files first; `upload` sends what was written. Pictures never are: records may not be published.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import HarnessError, Missing, UsageError, first_line
from harness.core.secrets import clean
from harness.core.sinks import utf8
from harness.core.types import Metric
from harness.interop import tables
from harness.judge.rows import is_judges
from harness.leaderboard.board import tidy
from harness.runs.files import write_json
from harness.runs.stored import StoredRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

NAME = re.compile(r"[\w.-]+/[\w.-]+")
BEGIN, END = "<!-- results by harness -->", "<!-- end of results by harness -->"
SOURCE = "harness"
TASK = "image-text-to-text"


def checked(repo: str, option: str) -> str:
    """The name of a repository. Raises UsageError for what the hub does not take."""
    if not NAME.fullmatch(repo) or ".." in repo or "--" in repo:
        raise UsageError(f"harness publish: {option} {repo} is not a repository: give OWNER/NAME")
    return repo


def dataset(runs: Sequence[StoredRun], repo: str, folder: Path) -> list[Path]:
    """The files of a dataset repository in `folder`: tables, records and a card. Secrets and directories are left
    out."""
    import pyarrow.parquet as pq

    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name, table in (("metrics", tables.metrics(runs)), ("samples", tables.samples(runs))):
        pq.write_table(_clean(table), folder / "data" / f"{name}.parquet", compression="zstd")
    for run in runs:
        (folder / "runs").mkdir(exist_ok=True)
        write_json(folder / "runs" / f"{run.name}.json", tidy(run.record.as_json()))
    (folder / "README.md").write_text(_card(runs, repo), encoding="utf-8")
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _clean(table: pa.Table) -> pa.Table:
    """The table without secrets and directories of this machine."""
    import pyarrow as pa

    for at, column in enumerate(table.schema):
        if pa.types.is_string(column.type):
            texts = clean(table.column(at).to_pylist())
            if column.name in ("error", "details", "note"):
                texts = [tidy(t) for t in texts]
            table = table.set_column(at, column, pa.array(texts, pa.string()))
    return table


def _card(runs: Sequence[StoredRun], repo: str) -> str:
    """README.md of the dataset, whose metadata name the tables."""
    import yaml

    facts = {
        "pretty_name": f"Results: {repo.partition('/')[2]}",
        "tags": ["evaluation", "vision-language", SOURCE],
        "configs": [{"config_name": n, "data_files": f"data/{n}.parquet"} for n in ("metrics", "samples")],
    }
    lines = [
        "---",
        yaml.safe_dump(facts, sort_keys=False).strip(),
        "---",
        "",
        "# Results",
        "",
        f"{len(runs)} runs of vision-language models and training-free methods. `metrics` has one row a metric with "
        "its 95 % interval, clustered by what samples share; `samples` one row a sample; `runs/` each run's record "
        "(settings, versions, hardware, command). Pictures are not part of it.",
        "",
        *table(runs),
        "",
    ]
    return clean("\n".join(lines))


def table(runs: Sequence[StoredRun]) -> list[str]:
    """The primary metrics in Markdown."""
    rows = ["| task | records | model | method | metric | value | samples |", "|---|---|---|---|---|---|---|"]
    for run in sorted(runs, key=lambda r: (r.record.task, r.record.data, r.record.model, r.record.method)):
        record, metric = run.record, run.primary
        limit = "" if record.limit is None else f", {record.limit} drawn"
        value = "no score" if metric is None else spoken(metric)
        cells = (
            record.task,
            f"{record.data}{limit}",
            record.model,
            record.method,
            metric.name if metric else "",
            value,
        )
        rows.append("| " + " | ".join(map(_cell, (*cells, metric.n if metric else 0))) + " |")
    return rows


def spoken(metric: Metric) -> str:
    """A metric with its interval as text: "0.912 [0.881, 0.936]"."""
    bounds = "" if metric.low is None or metric.high is None else f" [{metric.low:.3f}, {metric.high:.3f}]"
    return f"{metric.value:.3f}{bounds}"


def _cell(value: Any) -> str:
    return re.sub(r"([|\\<>*_`\[\]])", r"\\\1", " ".join(utf8(str(value)).split())) if value is not None else ""


def model_card(runs: Sequence[StoredRun], repo: str, source: str, before: str | None) -> str:
    """A model's README.md with these runs: in its metadata (model-index), and as a table between two marks. What
    stands there otherwise stays as it is.

    Args:
        source: The dataset repository with the runs; "" for none.
        before: The card as it is; None for a repository without one.

    Raises:
        UsageError: the runs are of several models.
    """
    from huggingface_hub import ModelCard

    names = sorted({r.record.model for r in runs})
    if len(names) > 1:
        raise UsageError(f"a model's card covers one model, but these runs are of {', '.join(names)}: add model=NAME")
    card = ModelCard(before) if before is not None else ModelCard(f"---\n{{}}\n---\n\n# {repo.partition('/')[2]}\n")
    address = f"https://huggingface.co/datasets/{source}" if source else f"https://huggingface.co/{repo}"
    data: Any = card.data
    kept = [r for r in data.eval_results or () if r.source_name != SOURCE]
    data.model_name = data.model_name or repo.partition("/")[2]
    data.eval_results = [*kept, *(r for run in runs for r in _results(run, address))]
    marked = "\n".join([BEGIN, "", "## Evaluation", "", *table(runs), "", END])
    text = re.sub(rf"\n*{BEGIN}.*?{END}\n*", "\n", card.text, flags=re.DOTALL).rstrip()
    card.text = f"{text}\n\n{marked}\n"
    return clean(str(card))


def _results(run: StoredRun, source: str) -> Iterator[Any]:
    """A run's metrics over all samples, as the hub's model-index holds them.

    It keeps the task, the dataset with its configuration and revision (here the records' and settings' fingerprint) and
    the source of the first result alone where these are equal: what tells runs apart goes with each metric.
    """
    from huggingface_hub import EvalResult

    record, first = run.record, run.primary
    told = {"method": record.method, "limit": record.limit, "seed": record.seed, "run": run.name}
    for metric in run.metrics:
        groups = {first.group if first else "all", *(["all"] if is_judges(metric.name) else [])}
        if metric.group not in groups or metric.value != metric.value:
            continue
        bounds = {} if metric.low is None else {"low": metric.low, "high": metric.high}
        yield EvalResult(
            task_type=TASK,
            dataset_type=record.task,
            dataset_name=f"{record.task} ({record.data})",
            dataset_config=record.data,
            dataset_revision=(record.fingerprint or "")[:12] or None,
            metric_type=metric.name,
            metric_name=f"{metric.name}, {record.method}",
            metric_value=metric.value,
            metric_args={"n": metric.n, "clusters": metric.clusters, **bounds, **told},
            source_name=SOURCE,
            source_url=source,
        )


@contextmanager
def reaching(repo: str) -> Iterator[Any]:
    """The hub's client. Its faults are one line that names the fix."""
    try:
        from huggingface_hub import HfApi, constants
        from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError
        from huggingface_hub.utils import disable_progress_bars
    except ImportError as e:
        raise Missing("harness publish needs huggingface_hub: pip install 'huggingface_hub>=1.0'") from e
    if constants.HF_HUB_OFFLINE:
        raise Missing("HF_HUB_OFFLINE is set: unset it, or add --dry-run")
    disable_progress_bars()
    try:
        yield HfApi(library_name=SOURCE)
    except LocalTokenNotFoundError as e:
        raise Missing(f"the hub asks for a token: set HF_TOKEN to one that may write {repo}, or hf auth login") from e
    except HfHubHTTPError as e:
        status = e.response.status_code if e.response is not None else 0
        if status in (401, 403):
            raise Missing(f"the hub refuses {repo} (status {status}): set HF_TOKEN to a token that may write it") from e
        raise HarnessError(f"the hub refuses {repo}: {first_line(e)}") from e
    except Exception as e:
        if not isinstance(e, OSError) and not type(e).__module__.startswith("httpx"):
            raise
        raise Missing(
            f"{os.environ.get('HF_ENDPOINT') or constants.ENDPOINT} cannot be reached: {first_line(e)}"
        ) from e


def upload(folder: Path, repo: str, *, private: bool, message: str) -> str:
    """The folder as a dataset repository, which is made if it is not there. Returns its address."""
    with reaching(repo) as api:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            folder_path=folder,
            repo_id=repo,
            repo_type="dataset",
            commit_message=message,
            delete_patterns=["runs/*.json"],
        )
        return f"{api.endpoint}/datasets/{repo}"


def fetched(repo: str) -> str | None:
    """A model's card as it is on the hub; None where the repository has none. Raises Missing without a repository."""
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    with reaching(repo) as api:
        try:
            api.model_info(repo)
            return Path(api.hf_hub_download(repo, "README.md", force_download=True)).read_text(encoding="utf-8")
        except RepositoryNotFoundError as e:
            raise Missing(f"the hub has no model {repo}, or this token may not read it") from e
        except EntryNotFoundError:
            return None


def propose(card: str, repo: str, *, message: str) -> str:
    """A pull request with this card. Returns its address."""
    with reaching(repo) as api:
        done = api.upload_file(
            path_or_fileobj=card.encode(),
            path_in_repo="README.md",
            repo_id=repo,
            commit_message=message,
            create_pr=True,
        )
        return str(done.pr_url or done.commit_url)


def summary(runs: Sequence[StoredRun]) -> str:
    """The first line of a commit."""
    tasks = sorted({r.record.task for r in runs})
    return f"{len(runs)} runs of {', '.join(tasks)}"
