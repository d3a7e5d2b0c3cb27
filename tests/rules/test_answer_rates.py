"""The false alarms of the rules on signals, from the exact distribution of shares: less than one in 30 days a model."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy.stats import beta, binom

from monitor.signals.registry import SIGNALS

PACK = Path(__file__).parents[2] / "rules" / "answers.yaml"
WINDOWS = {"5m": 30 * 24 * 12, "1h": 30 * 24}
LOOKS = 10
"""Rolling windows overlap. Ten looks in the length of a window count as independent, which is more than they are."""


def conditions(part: Any) -> Iterator[dict[str, Any]]:
    """All conditions on a rate of signals that is held against the baseline by a margin."""
    if isinstance(part, dict):
        if part.get("metric") == "signal_rate" and str(part.get("above", "")).startswith("baseline +"):
            yield part
        part = list(part.values())
    for inner in part if isinstance(part, list) else []:
        yield from conditions(inner)


def wrong(share: float, n: int, margin: float, confidence: float) -> float:
    """Probability that the lower bound of a share exceeds it by the margin."""
    hits = np.arange(n + 1)
    low = np.nan_to_num(beta.ppf(1 - confidence, hits, n - hits + 1))
    return float(binom.pmf(hits, n, share)[low > share + margin].sum())


def test_steady_answers_fire_less_than_once_in_thirty_days() -> None:
    found = list(conditions(yaml.safe_load(PACK.read_text())))
    assert len(found) >= 8
    expected = 0.0
    for one in found:
        pattern = one["match"][0].partition('"')[2].rstrip('"')
        signals = [signal.name for signal in SIGNALS if re.fullmatch(pattern, signal.name)]
        assert signals, f"{pattern} is no signal"
        margin = float(one["above"].removeprefix("baseline +").rstrip(" %")) / 100
        confidence = float(one["confidence"].rstrip("%")) / 100
        worst = max(
            wrong(share, one["samples"], margin, confidence) for share in np.linspace(0.002, 0.7, 120)
        )
        expected += worst * len(signals) * WINDOWS[one["over"]] * LOOKS
    assert expected < 1
