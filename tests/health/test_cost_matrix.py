"""The cost matrix of a model in the configuration."""

from pathlib import Path

from monitor.config.root import check

GOOD = """\
clients:
  acme:
    models:
      credit:
        cost_matrix: {approve: {default: 900}, decline: {repaid: 40.5}}
      plain: {}
"""


def test_a_cost_matrix_reaches_the_metrics_and_a_cost_that_is_no_number_is_told_with_its_line(
    tmp_path: Path,
) -> None:
    file = tmp_path / "watchkeeper.yaml"
    file.write_text(GOOD)
    matrices = check(file).config.measuring().cost_matrices
    assert matrices == {("acme", "credit"): {"approve": {"default": 900.0}, "decline": {"repaid": 40.5}}}
    file.write_text(GOOD.replace("900", "much"))
    (problem,) = check(file).problems
    assert ":5:" in str(problem)
    assert "number" in str(problem)
