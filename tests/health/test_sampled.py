"""The share of the calls that is captured: its notations, and what is refused."""

from pathlib import Path

import pytest

from monitor.config import root
from monitor.health.settings import ClientSettings


@pytest.mark.parametrize(("written", "share"), [("20%", 0.2), (" 12.5 %", 0.125), (0.2, 0.2), ("0.2", 0.2)])
def test_a_share_is_a_percentage_or_a_fraction(written: object, share: float) -> None:
    settings = ClientSettings.model_validate({"sampled": {"churn": written}})
    assert settings.sampled == {"churn": pytest.approx(share)}
    assert settings.sample("churn") == f"of the sample ({share * 100:g} % of the calls)"
    assert settings.sample("fraud") == ""


@pytest.mark.parametrize(
    "written",
    [20, "20", 0, 1, "100%", "-5%", "nan", "inf", "nan%", True, None, "", "%", [0.2], "9" * 400, 10**400],
)
def test_what_is_no_share_is_refused_with_an_example(written: object) -> None:
    with pytest.raises(ValueError, match="use 20%"):
        ClientSettings.model_validate({"sampled": {"churn": written}})


def test_a_model_that_the_client_does_not_have_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("clients:\n  acme:\n    models: {churn: {}}\n    sampled: {chrun: 20%}\n")
    (problem,) = root.check(path).errors
    assert "is none of the models of acme: churn" in str(problem)
    path.write_text("clients:\n  acme:\n    sampled: {chrun: 20%}\n")
    assert root.check(path).errors == []
