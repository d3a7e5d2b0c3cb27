"""Figures that the packages themselves gave on samples without random numbers."""

import numpy as np
import pytest
from scipy.special import ndtri

from monitor.metrics import compat

REFERENCE = ndtri((np.arange(2000) + 0.5) / 2000)
CURRENT = 1.2 * ndtri((np.arange(1500) + 0.5) / 1500) + 0.3
LABELS = np.repeat(["a", "b", "c"], [1000, 600, 400])
NEW_LABELS = np.repeat(["a", "b", "c", "d"], [600, 450, 435, 15])
SAME_LABELS = np.repeat(["a", "b", "c"], [600, 450, 450])


def test_figures_of_evidently():
    number = {
        compat.psi(REFERENCE, CURRENT): 0.13641819885563758,
        compat.kullback_leibler(REFERENCE, CURRENT): 0.05833999772152805,
        compat.jensen_shannon(REFERENCE, CURRENT, "evidently"): 0.12764082604788818,
        compat.hellinger(REFERENCE, CURRENT, "evidently"): 0.13018791300560684,
        compat.wasserstein(REFERENCE, CURRENT, "evidently"): 0.31177386094079934,
        compat.kolmogorov_smirnov(REFERENCE, CURRENT, "evidently"): 1.097178977125033e-12,
        compat.psi(LABELS, NEW_LABELS): 0.10134626005162653,
        compat.jensen_shannon(LABELS, NEW_LABELS, "evidently"): 0.10200718891088274,
        compat.hellinger(LABELS, NEW_LABELS, "evidently"): 0.10933669523173017,
        compat.chi_square(LABELS, SAME_LABELS, "evidently"): 1.583214286159633e-23,
    }
    for ours, theirs in number.items():
        assert ours == pytest.approx(theirs, rel=1e-9)
    assert compat.chi_square(LABELS, NEW_LABELS, "evidently") == 0.0


def test_figures_of_nannyml():
    number = {
        compat.jensen_shannon(REFERENCE, CURRENT, "nannyml"): 0.1552388431238331,
        compat.hellinger(REFERENCE, CURRENT, "nannyml"): 0.1330786805640771,
        compat.wasserstein(REFERENCE, CURRENT, "nannyml"): 0.3116719548014366,
        compat.kolmogorov_smirnov(REFERENCE, CURRENT, "nannyml"): 0.128,
        compat.jensen_shannon(LABELS, NEW_LABELS, "nannyml"): 0.12252312045817393,
        compat.hellinger(LABELS, NEW_LABELS, "nannyml"): 0.10933669523172974,
        compat.chi_square(LABELS, NEW_LABELS, "nannyml"): 67.85179640718562,
    }
    for ours, theirs in number.items():
        assert ours == pytest.approx(theirs, rel=1e-9)
