"""Evaluation sets for tests of the gate."""

from typing import Any

import numpy as np
import pandas as pd

from monitor.gating import GateResult, gate
from monitor.rules.rule import RuleSet


def classified(
    n: int = 600,
    *,
    lost: float = 0.03,
    won: float = 0.03,
    seed: int = 1,
    classes: tuple[str, ...] = ("no", "yes"),
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Candidate, baseline and truths of a classifier that is right in nine of ten cases; of the items, the share
    `lost` is right on the baseline's side only, and `won` on the candidate's.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(classes), n)
    kind = rng.permutation(n)
    is_lost, is_won = kind < lost * n, (kind >= lost * n) & (kind < (lost + won) * n)
    is_right = rng.random(n) < 0.93
    sure, unsure = rng.beta(9, 1, n), rng.beta(4, 2, n)
    sides = []
    for right in ((is_right & ~is_lost) | is_won, (is_right & ~is_won) | is_lost):
        answer = np.where(right, truth, (truth + 1) % len(classes))
        confidence = np.round(np.where(right, sure, unsure) / 2 + 0.5, 4)
        sides.append(
            pd.DataFrame(
                {
                    "id": [f"item-{place}" for place in range(n)],
                    "prediction": np.array(classes)[answer],
                    "confidence": confidence,
                    "latency_ms": rng.lognormal(3, 0.4, n),
                    "cost": rng.gamma(2, 1, n),
                    f"probabilities.{classes[1]}": np.where(answer == 1, confidence, 1 - confidence),
                }
            )
        )
    ids = sides[0]["id"]
    return sides[0], sides[1], pd.DataFrame({"id": ids, "truth": np.array(classes)[truth]})


def regressed(n: int = 400, *, worse: float = 0.0, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Candidate and baseline of a regressor, with truths; the candidate's errors are larger by the share `worse`."""
    rng = np.random.default_rng(seed)
    truth, shared = rng.normal(100, 20, n), rng.normal(0, 3, n)
    sides = [
        pd.DataFrame(
            {
                "id": [f"item-{place}" for place in range(n)],
                "prediction": truth + (1 + extra) * (shared + rng.normal(0, 1, n)),
                "truth": truth,
            }
        )
        for extra in (worse, 0.0)
    ]
    return sides[0], sides[1]


def compared(candidate: object, baseline: object, **options: Any) -> GateResult:
    """A gate without rules and with few draws, for what does not depend on them."""
    return gate(candidate, baseline, **{"rules": RuleSet(), "draws": 200, **options})
