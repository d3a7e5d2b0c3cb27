"""The formulae of other tools, held to the figures that the tools themselves give."""

import json
from collections.abc import Callable

import pytest

from monitor.metrics import compat
from tests.peers import samples
from tests.peers.asking import FOLDER, figures

PAIRS = {**samples.numbers(), **samples.labels()}
OURS: dict[str, dict[str, Callable[..., float]]] = {
    "evidently": {
        "psi": compat.psi,
        "kl_div": compat.kullback_leibler,
        "jensenshannon": compat.jensen_shannon,
        "hellinger": compat.hellinger,
        "wasserstein": compat.wasserstein,
        "ks": compat.kolmogorov_smirnov,
        "chisquare": compat.chi_square,
    },
    "nannyml": {
        "jensen_shannon": compat.jensen_shannon,
        "hellinger": compat.hellinger,
        "wasserstein": compat.wasserstein,
        "kolmogorov_smirnov": compat.kolmogorov_smirnov,
        "chi2": compat.chi_square,
        "l_infinity": compat.l_infinity,
    },
}


def held(tool: str, theirs: dict[str, float]) -> None:
    """Every figure of the tool, against ours."""
    assert {name.split()[0] for name in theirs} == set(PAIRS)
    assert {name.split()[1] for name in theirs} == set(OURS[tool])
    for name, figure in theirs.items():
        sample, method = name.split()
        ours = OURS[tool][method](*PAIRS[sample], compat=tool)
        assert ours == pytest.approx(figure, rel=1e-9, abs=1e-12), name


def test_evidently_itself_gives_these_figures():
    told = json.loads(figures("evidently_figures.py"))
    held("evidently", told["figures"])


def test_nannyml_gave_these_figures():
    """Kept from a run of the package, which needs older packages than ours: see `tests.peers`."""
    told = json.loads((FOLDER / "nannyml.json").read_text(encoding="utf-8"))
    assert told["versions"]["nannyml"] == "0.13.1"
    held("nannyml", told["figures"])


@pytest.mark.parametrize("name", ["psi", "kullback_leibler"])
def test_a_formula_that_a_tool_does_not_have_is_refused(name):
    with pytest.raises(ValueError, match="nannyml has no"):
        getattr(compat, name)(*PAIRS["normal"], compat="nannyml")


def test_a_sample_without_a_value_is_refused():
    with pytest.raises(ValueError, match="no value"):
        compat.psi([None, None], [1.0, 2.0])
