"""What a query of a panel asks for, independent of a query language.

The panels are written in PromQL. Here the forms that they use are read: an aggregate of a metric or of its rate, a
ratio of two of them, a quantile of a histogram, and the highest or lowest of them. Whatever else a query does, it is
left out with a reason; no query is translated into another question.
"""

import re
from dataclasses import dataclass, replace
from typing import Literal

from monitor.exporters.metric_names import BY_NAME
from monitor.exporters.samples import Metric

Aggregate = Literal["max", "min", "sum", "avg", "count"]

_SELECTOR = r"(?P<metric>watchkeeper_[a-z_]+)\{(?P<matchers>[^}]*)\}"
_TERM = re.compile(
    r"(?P<aggregate>max|min|sum|avg|count)(?: by \((?P<by>[a-z_, ]*)\))? ?\("
    rf"(?:(?P<function>rate|increase)\()?{_SELECTOR}(?:\[(?P<window>[^\]]+)\]\))?"
    r"(?: (?P<operator>==|>=|>) (?P<number>\d+))?\)"
)
_MATCHER = re.compile(r'\s*([a-z_]+)(=~|!=|=)"([^"]*)"\s*')
_TOP = re.compile(r"(topk|bottomk)\((\d+), (.*)\)", re.DOTALL)
_SORTED = re.compile(r"sort_desc\((.*)\)", re.DOTALL)
_QUANTILE = re.compile(r"histogram_quantile\((0\.\d+), (.*)\)", re.DOTALL)
_WORST_OF_A_TIME = re.compile(r"max_over_time\((watchkeeper_[a-z_]+\{[^}]*\})\[1d\]\)")
_VARIABLES = {"job", "client", "environment", "model", "metric"}


class UntranslatableError(Exception):
    """The query asks for something that is not read here; the message says what."""


@dataclass(frozen=True, slots=True)
class LabelTest:
    """A condition on a label: `is` one of `values`, or `is not`. Without values, the label is absent."""

    label: str
    is_equal: bool
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AggregateTerm:
    """An aggregate of a metric by labels. `name` is the one that `/metrics` shows; `variables` are labels that the
    reader of the dashboard chooses. `above`: only values of at least so much (of a count: that are counted), and with
    `is_exact` exactly so much.
    """

    aggregate: Aggregate
    metric: Metric
    name: str
    by: tuple[str, ...]
    variables: tuple[str, ...]
    matchers: tuple[LabelTest, ...]
    function: Literal["", "rate", "increase"] = ""
    window: str = ""
    above: int | None = None
    is_exact: bool = False


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """A term, a ratio of two terms, or a quantile of a histogram; of these the `most` highest or lowest."""

    terms: tuple[AggregateTerm, ...]
    quantile: float | None = None
    most: int | None = None
    is_lowest: bool = False


def read(expression: str) -> PanelQuery:
    """What a query asks for.

    Raises:
        UntranslatableError: it has a form that is not read here.
    """
    text = expression.removesuffix(" or vector(0)").strip()
    if (top := _TOP.fullmatch(text)) is not None:
        return replace(read(top[3]), most=int(top[2]), is_lowest=top[1] == "bottomk")
    if (ordered := _SORTED.fullmatch(text)) is not None:
        return _above(ordered[1])
    if (quantile := _QUANTILE.fullmatch(text)) is not None:
        term = _term(quantile[2])
        bare = replace(term, by=tuple(label for label in term.by if label != "le"), function="")
        return PanelQuery((bare,), quantile=float(quantile[1]))
    parts = re.split(r" / (?:on \([a-z_, ]*\) )?", text)
    if len(parts) > 2:
        raise UntranslatableError("it divides more than once")
    terms = tuple(_term(part) for part in parts)
    if any("le" in term.by for term in terms):
        raise UntranslatableError("it is a heat map")
    return PanelQuery(terms)


def _above(text: str) -> PanelQuery:
    """`TERM > 0`: only what is above zero."""
    question = read(text.removesuffix(" > 0"))
    if not text.endswith(" > 0"):
        return question
    return replace(question, terms=tuple(replace(term, above=1) for term in question.terms))


def _term(text: str) -> AggregateTerm:
    match = _TERM.fullmatch(_WORST_OF_A_TIME.sub(r"\1", text.strip()))
    if match is None:
        raise UntranslatableError(_why(text))
    name, metric = _metric(match["metric"])
    variables, matchers = _conditions(match["matchers"])
    number = int(match["number"]) if match["number"] else None
    if number is not None and match["aggregate"] != "count":
        raise UntranslatableError("it compares before it aggregates")
    return AggregateTerm(
        match["aggregate"],  # type: ignore[arg-type]  # the expression admits no other
        metric,
        name,
        tuple(label.strip() for label in (match["by"] or "").split(",") if label.strip()),
        variables,
        matchers,
        match["function"] or "",  # type: ignore[arg-type]
        match["window"] or "",
        number + 1 if number is not None and match["operator"] == ">" else number,
        match["operator"] == "==",
    )


def _metric(name: str) -> tuple[str, Metric]:
    """The name without the part of a histogram, and what it names."""
    for suffix in ("", "_total", "_info"):
        if (metric := BY_NAME.get(name.removesuffix(suffix))) is not None and name.endswith(suffix):
            return name, metric
    base = name.removesuffix("_bucket")
    if base in BY_NAME:
        return base, BY_NAME[base]
    raise UntranslatableError(f"{name} is not a metric of Watchkeeper")


def _conditions(text: str) -> tuple[tuple[str, ...], tuple[LabelTest, ...]]:
    variables, matchers = [], []
    for label, operator, value in _MATCHER.findall(text):
        if value == f"${label}" and label in _VARIABLES:
            variables += [label] if label != "job" else []
        elif operator == "=~":
            matchers.append(LabelTest(label, True, tuple(value.split("|"))))
        else:
            matchers.append(LabelTest(label, operator == "=", (value,) if value else ()))
    return tuple(variables), tuple(matchers)


def _why(text: str) -> str:
    reasons = {
        "time()": "it subtracts from the time of now",
        "offset": "it compares with an earlier time",
        "bool": "it makes numbers of comparisons",
        "group_left": "it joins two metrics",
        "count_values": "it counts by value",
        "scrape_": "it is a metric of Prometheus' own",
    }
    return next((reason for sign, reason in reasons.items() if sign in text), "it has another form")
