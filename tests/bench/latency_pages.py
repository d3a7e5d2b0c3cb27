"""How often `HighLatency` pages though nothing is wrong, and how soon it does when something is: a day of each stream.

`python -m tests.bench.latency_pages [hours]` compares the shipped rule over the default seconds with the one before it
(which looked at fourteen seconds, took p95 of a few rows as it was, and paged at the second look). The rules are judged
by the engine that judges live; only percentiles are taken from single values instead of buckets. Hiccups, in which all
answers take eight times as long, come four an hour and last up to so many seconds.
"""

import argparse
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from monitor.config.schema import EvaluateSettings
from monitor.metrics import METRICS, intervals
from monitor.records import Alert, Measurement, State, Stream, Window
from monitor.rules import load
from monitor.rules.engine.evaluate import evaluate
from monitor.rules.engine.readings import OPEN, Readings
from monitor.rules.rule import RuleSet
from tests.support.daemon import ROOT

STREAM = Stream("acme", "fraud", "production")
USUAL = 0.03
KINDS = ("even", "heavy tail", "heavier tail", "two kinds of answers", "load wanders", "hiccups to 4 s",
         "hiccups to 6 s", "hiccups to 8 s")  # fmt: skip
RATES = (2.0, 5.0, 20.0)
EVERY = 2.0
_BEFORE = """\
groups:
  - name: latency
    labels: {severity: warning}
    rules:
      - alert: HighLatency
        when:
          all:
            - {metric: latency_p95, over: open, above: 2x baseline, clear: 1.5x baseline, samples: 20}
            - {metric: latency_p50, over: open, above: 1.5x baseline, clear: 1.3x baseline}
            - {metric: latency_p95, over: open, above: 20ms}
        keep_firing_for: 1m
        annotations: {summary: s, impact: i, checks: c}
"""


@dataclass(frozen=True, slots=True)
class Way:
    """A rule, the seconds that it sees, and how long the pager's route waits for more."""

    name: str
    rules: RuleSet
    seconds: float
    wait: float


def ways() -> list[Way]:
    """The way before, and the shipped one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "before.yaml"
        path.write_text(_BEFORE, encoding="utf-8")
        before = load([path], METRICS)
    shipped = load([ROOT / "rules" / "warning.yaml"], METRICS)
    return [Way("before", before, 14.0, 1.0), Way("now", shipped, EvaluateSettings().recent, 0.0)]


def answers(kind: str, rate: float, seconds: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and latencies of a stream without a fault, in seconds, shape (n,)."""
    rng = np.random.default_rng([seed, KINDS.index(kind), int(rate)])
    times = np.sort(rng.random(rng.poisson(rate * seconds)) * seconds)
    n = len(times)
    spread = {"even": 0.1, "heavy tail": 1.0, "heavier tail": 1.5}.get(kind, 0.5)
    took = USUAL * np.exp(spread * rng.normal(size=n))
    if kind == "two kinds of answers":
        took = np.where(rng.random(n) < 0.45, 0.12, 0.02) * np.exp(0.2 * rng.normal(size=n))
    elif kind == "load wanders":
        minutes = np.arange(int(seconds // 60) + 2)
        steps = rng.normal(size=len(minutes)) * 0.15 * math.sqrt(1 - 0.95**2)
        level = np.convolve(steps, 0.95 ** np.arange(100))[: len(minutes)]
        took *= np.exp(np.interp(times, minutes * 60.0, level))
    elif kind.startswith("hiccups"):
        for at in rng.random(rng.poisson(seconds / 900)) * seconds:
            first, last = np.searchsorted(times, [at, at + float(kind.split()[2]) * rng.random()])
            took[first:last] *= 8
    return times, took


def pages(way: Way, times: np.ndarray, took: np.ndarray, usual: tuple[float, float]) -> list[float]:
    """When somebody is paged, looking every two seconds; `usual` are median and p95 of the baseline."""
    alerts: dict[str, Alert] = {}
    told: set[int] = set()
    paged = []
    for now, median, high in _looks(way.seconds, times, took, usual):
        if not alerts and (median.value or 0.0) <= 1.5 * usual[0]:
            continue  # neither rule fires there, and nothing is open
        calm = [replace(high, value=usual[1])]  # what the rule sees over minutes
        measured = {(STREAM, OPEN): [median, high], (STREAM, 300): calm, (STREAM, 60): calm}
        made = evaluate(way.rules, Readings(measured), alerts, now, step=10.0)
        alerts |= {alert.fingerprint: alert for alert in made.alerts}
        for alert in alerts.values():
            waited = now - (alert.fired_at or 0.0)
            if alert.state is State.FIRING and alert.episode not in told and waited >= way.wait:
                told.add(alert.episode)
                paged.append(now)
        alerts = {key: alert for key, alert in alerts.items() if alert.is_open or alert.episode}
    return paged


def _looks(
    seconds: float, times: np.ndarray, took: np.ndarray, usual: tuple[float, float]
) -> Iterator[tuple[float, Measurement, Measurement]]:
    for now in np.arange(seconds, times[-1], EVERY).tolist():
        first, last = np.searchsorted(times, [now - seconds, now])
        n = last - first
        if n < 5:
            continue
        values = np.sort(took[first:last])
        window = Window(int(now - seconds), int(now) + 1)
        found = []
        for name, share, before in (("latency_p50", 0.5, usual[0]), ("latency_p95", 0.95, usual[1])):
            low, high = (_at(values, rank) for rank in intervals.rank_interval(n, share))
            value = _at(values, share * n)
            found.append(Measurement(STREAM, window, name, value, "seconds", n=n, low=min(low, value),
                                     high=max(high, value), baseline=before))  # fmt: skip
        yield now, found[0], found[1]


def _at(values: np.ndarray, rank: float) -> float:
    return float(values[min(max(math.ceil(rank) - 1, 0), len(values) - 1)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "hours", nargs="?", type=float, default=24.0, help="of each stream; a day if left out"
    )
    hours = parser.parse_args().hours
    print(
        f"{'stream':22} {'a second':>8}  false pages a day: before, now; median and worst delay of a tenfold latency"
    )
    for kind in KINDS:
        for rate in RATES:
            _, baseline = answers(kind, rate, 3600.0, 1)
            usual = float(np.quantile(baseline, 0.5)), float(np.quantile(baseline, 0.95))
            quiet = answers(kind, rate, hours * 3600, 2)
            cells = []
            for way in ways():
                delays = [delay(way, kind, rate, usual, seed) for seed in range(3, 23)]
                false = len(pages(way, *quiet, usual)) * 24 / hours
                cells.append(f"{false:6.1f}  {np.median(delays):5.1f} {max(delays):5.1f}")
            print(f"{kind:22} {rate:8.0f}  " + "   |".join(cells), flush=True)


def delay(way: Way, kind: str, rate: float, usual: tuple[float, float], seed: int) -> float:
    """Seconds from the first slow answer to the page, where all take ten times as long; infinite without a page."""
    times, took = answers("even" if kind.startswith("hiccups") else kind, rate, 120.0, seed)
    begins = 60 + np.random.default_rng(seed).random() * EVERY
    took[np.searchsorted(times, begins) :] *= 10
    return min((at - begins for at in pages(way, times, took, usual) if at > begins), default=math.inf)


if __name__ == "__main__":
    main()
