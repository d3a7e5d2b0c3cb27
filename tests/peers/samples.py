"""Pairs of samples without random numbers, 2,000 and 1,500 values each, that all formulae have to agree on."""

import numpy as np
from scipy.special import ndtri

Values = list[float | None] | list[str | None]

_R, _C = (np.arange(2000) + 0.5) / 2000, (np.arange(1500) + 0.5) / 1500


def numbers() -> dict[str, tuple[Values, Values]]:
    """Continuous values, skewed ones, ones of which some are missing or infinite, whole numbers, and few values."""
    normal = ndtri(_R), 1.2 * ndtri(_C) + 0.3
    gappy = [side.copy() for side in normal]
    gappy[0][::10], gappy[1][::7] = np.nan, np.nan
    return {
        "normal": _plain(*normal),
        "skewed": _plain(np.exp(ndtri(_R)), np.exp(ndtri(_C) * 1.1 + 0.1)),
        "same": _plain(ndtri(_R), ndtri(_C)),
        "gappy": _plain(*gappy),
        "counts": _plain(np.floor(_R * 60), np.floor(_C**1.1 * 60)),
        "few": _plain(np.floor(_R * 8), np.floor(_C**1.3 * 8)),
    }


def labels() -> dict[str, tuple[Values, Values]]:
    """Labels: shifted ones, two alone, a new one, one that is gone, and missing ones."""
    base = np.repeat(["a", "b", "c"], [1000, 600, 400])
    return {
        "shifted": _texts(base, np.repeat(["a", "b", "c"], [600, 450, 450])),
        "two": _texts(np.repeat(["a", "b"], [1200, 800]), np.repeat(["a", "b"], [800, 700])),
        "new": _texts(base, np.repeat(["a", "b", "c", "d"], [600, 450, 435, 15])),
        "gone": _texts(base, np.repeat(["a", "b"], [800, 700])),
        "rare": _texts(np.repeat(["a", "b", "c"], [1990, 9, 1]), np.repeat(["a", "b", "c"], [1480, 10, 10])),
    }


def _plain(*sides: np.ndarray) -> tuple[Values, Values]:
    one, other = ([None if np.isnan(v) else float(v) for v in side] for side in sides)
    return one, other


def _texts(*sides: np.ndarray) -> tuple[Values, Values]:
    one, other = ([str(v) for v in side] for side in sides)
    return one, other
