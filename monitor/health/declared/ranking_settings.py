"""The `ranking` section of a model: at which length its lists are judged, and how many items there are."""

from typing import Literal

from pydantic import Field

from monitor.config.sections import Section, WholeNumber


class RankingSection(Section):
    """How lists of items are judged. Lists are measured as soon as records have `ranking`."""

    k: Literal[1, 3, 5, 10, 20, 50, 100] = 10
    """The number of first items that count in hit rate, precision, recall, MAP, MRR and NDCG. All these lengths are
    counted, so a change holds for the past as well."""
    catalogue: WholeNumber | None = Field(default=None, ge=1)
    """The number of items that could be shown, for `catalogue_coverage`."""
