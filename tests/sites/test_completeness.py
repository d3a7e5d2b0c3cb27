"""Gaps and silence of a site, in words."""

import pytest

from monitor.sites.completeness import bundles, completeness
from monitor.store.site_windows import Delivered
from tests.support.log import NOW

DAY = 86_400.0


def arrived(
    *numbers: int, epoch: str = "a", number: int = 1, at: float = NOW, note: str = ""
) -> list[Delivered]:
    return [
        Delivered("plant-7", epoch, seq, "acme", number, "", "", "", at, at, 5, note=note) for seq in numbers
    ]


@pytest.mark.parametrize(
    ("delivered", "after", "says", "missing", "is_silent"),
    [
        ([], 0.0, "the site 'plant-7' has delivered nothing yet", 0, False),
        (arrived(1, 2, 3), 0.0, "the site 'plant-7' has delivered bundle 3", 0, False),
        (
            arrived(*range(1, 38), 40, 41), 3 * DAY,
            "the site 'plant-7' has delivered nothing for 3 days; the last bundle was 41; "
            "bundles 38 and 39 are missing", 2, True,
        ),
        (arrived(1, 3), 0.0, "the site 'plant-7' has delivered bundle 3; bundle 2 is missing", 1, False),
        (
            [*arrived(1, 4), *arrived(1, 2, epoch="b", number=2)], DAY,
            "the site 'plant-7' has delivered bundle 2; 2 bundles of earlier epochs are missing", 2, False,
        ),
        (
            arrived(1, note="its clock is at least 86400 s ahead"), 0.0,
            "the site 'plant-7' has delivered bundle 1; its clock is at least 86400 s ahead", 0, False,
        ),
    ],
)  # fmt: skip
def test_a_site_in_words(
    delivered: list[Delivered], after: float, says: str, missing: int, is_silent: bool
) -> None:
    found = completeness("plant-7", delivered, DAY, NOW + after)
    assert (found.sentence, found.missing_bundles) == (says, missing)
    assert ((found.silence or 0.0) > 1) is is_silent


def test_many_gaps_are_shortened() -> None:
    assert bundles([1]) == "bundle 1"
    assert bundles([1, 2, 5, 6, 7]) == "bundles 1, 2 and 5 to 7"
    assert bundles(range(1, 100, 2)).endswith("and 40 more gaps")


def test_a_number_that_nobody_can_have_reached_costs_no_memory() -> None:
    found = completeness("plant-7", arrived(1, 2**31 - 1), DAY, NOW)
    assert found.missing_bundles == 100_000
