"""Writes what was measured: `monitor/signals/measured.json`, and the tables of docs/signals.md between two marks."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from monitor.signals.measured import PATH, MeasuredError

PAGE = Path(__file__).parents[3] / "docs" / "signals.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Alternative:
    """What another tool does on one set, and its CPU time a text."""

    tool: str
    error: MeasuredError
    microseconds: float


@dataclass(frozen=True)
class Costs:
    """Microseconds a call of each signal; seconds of all signals and of redaction for 10,002 texts, of news and with
    contacts in each; seconds on each hostile text.
    """

    per_call: dict[str, float]
    news: tuple[float, float]
    contacts: tuple[float, float]
    hostile: dict[str, float]


def write(ours: Sequence[MeasuredError], theirs: Sequence[Alternative], costs: Costs) -> None:
    """Write the page and the data of `watchkeeper signals`."""
    rounded = [{name: _short(value) for name, value in asdict(one).items()} for one in ours]
    measured = {"errors": rounded, "microseconds": costs.per_call}
    PATH.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    lines = "\n".join(_lines(ours, theirs, costs))
    PAGE.write_text(f"{before}{BEGIN}\n\n{lines}\n\n{END}{after}", encoding="utf-8")


def _short(value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


def _lines(ours: Sequence[MeasuredError], theirs: Sequence[Alternative], costs: Costs) -> Iterator[str]:
    yield "### Numbers: answers that are right against answers that are not"
    yield ""
    yield "| signal | set | AUC | AUC of length alone | AUC at equal length | right, wrong answers |"
    yield "|---|---|---|---|---|---|"
    for one in ours:
        if one.auc is not None:
            figures = " | ".join(_ratio(value) for value in (one.auc, one.baseline, one.matched))
            yield f"| `{one.signal}` | {one.dataset} | {figures} | {one.negatives:,}, {one.positives:,} |"
    yield ""
    yield "### Flags: share found, and false alarms"
    yield ""
    yield "| signal | set | language | found | of | false alarms | of |"
    yield "|---|---|---|---|---|---|---|"
    for one in _summed([one for one in ours if one.auc is None]):
        yield f"| `{one.signal}` | {_set(one)} | {_figures(one)} |"
    yield ""
    yield "### Other tools on the same texts"
    yield ""
    yield "| tool | compared with | set | language | found | of | false alarms | of | µs a text |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for tool, microseconds in dict.fromkeys((one.tool, one.microseconds) for one in theirs):
        for one in _summed([other.error for other in theirs if other.tool == tool]):
            yield f"| {tool} | `{one.signal}` | {one.dataset} | {_figures(one)} | {microseconds:,.0f} |"
    yield ""
    yield from _cost_lines(costs)


def _cost_lines(costs: Costs) -> Iterator[str]:
    yield "### Cost"
    yield ""
    yield "10,002 texts of 1 kB (3,334 calls with input, document and answer), seconds of CPU on one core:"
    yield ""
    yield "| texts | all signals | redaction |"
    yield "|---|---|---|"
    yield f"| news | {costs.news[0]:.2f} | {costs.news[1]:.2f} |"
    both = f"{costs.contacts[0]:.2f} | {costs.contacts[1]:.2f}"
    yield f"| news, each with a telephone number, a mail address and a card | {both} |"
    slowest = sorted(costs.hostile, key=costs.hostile.__getitem__, reverse=True)
    yield ""
    worst = ", ".join(f"{name} {costs.hostile[name]:.1f} s" for name in slowest[:3])
    yield (
        f"One call with 100 kB of a repeated piece in each of its six places, {len(slowest)} pieces: at most "
        f"{costs.hostile[slowest[0]]:.1f} s ({worst}), median {costs.hostile[slowest[len(slowest) // 2]]:.2f} s."
    )


def _summed(errors: Sequence[MeasuredError]) -> Iterator[MeasuredError]:
    """The kinds of national identifiers, and the forms of secrets, each in one row that names those below 95 %."""
    for kind, is_one in _SUMMED.items():
        some = [one for one in errors if is_one(one)]
        if some:
            found = sum((one.recall or 0.0) * one.positives for one in some)
            n = sum(one.positives for one in some)
            weak = [
                f"{one.dataset.partition(' (')[0].removeprefix('national id ')} {one.recall:.0%}"
                for one in some
                if one.recall is not None and one.recall < 0.95
            ]
            listed = ", ".join(weak[:6]) + (f" and {len(weak) - 6} more" if len(weak) > 6 else "")
            name = f"{len(some)} {kind}" + (f"; below 95 %: {listed}" if weak else "")
            yield MeasuredError(some[0].signal, name, "any", n, 0, found / n)
    yield from (one for one in errors if not any(is_one(one) for is_one in _SUMMED.values()))


def _is_national(one: MeasuredError) -> bool:
    return one.dataset.startswith("national id")


def _is_secret(one: MeasuredError) -> bool:
    return one.dataset.endswith("(detect-secrets)")


_SUMMED = {
    "countries' national identifiers (Faker, python-stdnum)": _is_national,
    "kinds of secrets (from the patterns of detect-secrets)": _is_secret,
}


def _set(one: MeasuredError) -> str:
    return f"{one.dataset} *" if one.is_tuned else one.dataset


def _figures(one: MeasuredError) -> str:
    return (
        f"{one.language} | {_percent(one.recall)} | {one.positives or ''} | {_percent(one.false_alarms)} | "
        f"{one.negatives or ''}"
    )


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
