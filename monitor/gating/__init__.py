"""Compares a candidate with its baseline on the same items: may it replace it? In a notebook, or in CI.

    from watchkeeper import gate
    gate("candidate.parquet", "baseline.parquet", truth="truth.csv")     # pandas, Polars, Arrow, or paths of files

Nothing is stored and nobody is notified. docs/gate.md describes the decision.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from monitor.errors import InputError
from monitor.gating.comparison import Criteria, Names, judge
from monitor.gating.inputs import ColumnRoles, read
from monitor.gating.pairing import Items, pair
from monitor.gating.resampling import DRAWS
from monitor.gating.result import GateResult
from monitor.health.settings import ModelView
from monitor.metrics import METRICS
from monitor.metrics.quality.task import ORDERING, named
from monitor.records import Stream
from monitor.releases.margins import parse
from monitor.rollouts.verdict import Outcome
from monitor.rules import load
from monitor.rules.rule import RuleSet
from monitor.shipped import shipped
from monitor.sources.files.csv_dialect import dialect

FEWEST_DRAWS = 100


def gate(
    candidate: object,
    baseline: object = None,
    *,
    truth: object = None,
    columns: Mapping[str, str] | None = None,
    segments: Sequence[str] = (),
    group: str = "",
    task: str = "",
    metrics: Sequence[str] = (),
    margins: Mapping[str, str | float] | None = None,
    targets: Mapping[str, float] | None = None,
    view: ModelView | None = None,
    rules: Sequence[Path | str] | RuleSet | None = None,
    model: str = "",
    alpha: float = 0.05,
    draws: int = DRAWS,
    seed: int = 0,
    separator: str = "",
    encoding: str = "",
) -> GateResult:
    """Compare a candidate's predictions with a baseline's, item by item.

    `candidate` and `baseline` are a pandas or Polars frame, an Arrow table or stream, or the path of a Parquet, CSV,
    JSON or Arrow file, with the fields of a prediction: `id`, by which items are joined, `prediction`, and where there
    are `confidence`, `probabilities.<class>`, `error`, `latency_ms`, `cost`. The `truth` is a column of either, or in a
    table of its own with `id` and `truth`. `columns` names columns that are called otherwise (`{"id": "order_id"}`).
    Instead of two tables, `candidate` may be what `monitor.gating.replay.replay` gives, with its segments and groups.

    `segments` are columns whose values are compared on their own. `group` is a column that names what several items
    have in common, such as a user: then groups are drawn, not items. `task` is `binary`, `multiclass` or `regression`.
    `metrics` are compared instead of those that the items have. `margins` say how much worse a metric may be
    (`{"accuracy": 0.01, "latency_p95": "15%"}`), `targets` what was agreed; `view` is the section of the model in the
    configuration, whose targets and task count as well. `rules` are rule files of production; by default the shipped
    critical and warning rules. `model` (`client/model`) is the stream that rules match.

    `alpha` is the probability of failing a candidate that is not worse, and of passing a metric that is worse than its
    margin. `draws` is the number of the bootstrap's draws. The same `seed` gives the same result.

    Raises:
        InputError: a file cannot be read, a row is invalid or occurs twice, or no item is in both.
        ConfigError: a rule file is invalid.
    """
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha is {alpha}, and must be between 0 and 0.5", hint="use 0.05 or 0.01")
    if draws < FEWEST_DRAWS:
        raise InputError(f"{draws} draws are too few for an interval", hint=f"use {FEWEST_DRAWS} at least")
    if task and named(task) in (None, *ORDERING):
        raise InputError(
            f"unknown task {task!r}", hint="use binary, multiclass, classification or regression"
        )
    configured = dialect(separator, encoding, "")
    meaning = ColumnRoles(dict(columns or {}), tuple(segments), group)
    if isinstance(candidate, Items):
        items = candidate
    else:
        mine = read(candidate, "the candidate", meaning, configured)
        theirs = read(baseline, "the baseline", meaning, configured)
        truths = None if truth is None else read(truth, "the truth", meaning, configured, truths_only=True)
        items = pair(mine, theirs, truths, meaning)
    criteria = Criteria(
        stream=_stream(model),
        task=task or (view.task if view is not None else ""),
        metrics=tuple(metrics),
        margins=parse(margins or {}),
        targets=dict(targets or {}),
        view=view,
        rules=rules if isinstance(rules, RuleSet) else rules_from(rules),
        alpha=alpha,
        draws=draws,
        seed=seed,
    )
    names = Names(model, _name(candidate, "candidate"), _name(baseline, "baseline"))
    return judge(items, criteria, names)


def _stream(model: str) -> Stream:
    """The stream of `client/model` or `client/model/environment`.

    Raises:
        InputError: it is neither.
    """
    parts = model.split("/") if model else ["gate", "candidate"]
    if len(parts) not in (2, 3) or not all(parts):
        raise InputError(f"{model!r} is not a model", hint="use client/model or client/model/environment")
    return Stream(*parts)


def rules_from(files: Sequence[Path | str] | None) -> RuleSet:
    """The rules of some files; without any, the shipped critical and warning rules.

    Raises:
        ConfigError: with every mistake in them.
    """
    folder = shipped("rules")
    packs = [folder / "critical.yaml", folder / "warning.yaml"]
    return load(packs if files is None else [Path(file) for file in files], METRICS, folder)


def _name(data: object, otherwise: str) -> str:
    return Path(data).name if isinstance(data, str | Path) else otherwise


__all__ = ["GateResult", "Outcome", "gate", "rules_from"]
