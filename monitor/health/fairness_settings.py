"""The `fairness` section of a model: between which groups its answers are compared."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from monitor.config.sections import Section, WholeNumber

FEWEST = 30
"""Fewer rows of a group say nothing about how it is treated."""


def _label(value: Any) -> Any:
    """A label as a text: YAML reads `1` as a number, and `true` as a flag."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


Label = Annotated[str, BeforeValidator(_label)]


class FairnessSection(Section):
    """Which groups are compared, and which answer is the favourable one. Without groups, nothing is measured."""

    groups: tuple[str, ...] = ()
    """Names of segments whose values are the groups, such as `[sex, age_band]`. They need not be features."""
    favourable: Label = ""
    """The answer that people want, such as `approved`."""
    reference: dict[str, Label] = Field(default_factory=dict)
    """The group that the others are compared with, by segment, such as `{sex: male}`. Without it, the largest group
    of the baseline, else of the window."""
    least: WholeNumber = Field(default=100, ge=FEWEST)
    """Minimum rows in both groups of a figure. With fewer, it is not measured."""

    @model_validator(mode="after")
    def _is_whole(self) -> "FairnessSection":
        if self.groups and not self.favourable.strip():
            raise ValueError("groups require favourable: the answer that people want, such as approved")
        if len(set(self.groups)) < len(self.groups):
            raise ValueError("a group is named twice")
        for name in self.groups:
            if name.startswith(("features.", "segments.")):
                bare = name.partition(".")[2]
                raise ValueError(
                    f"groups are segments, by their bare names: write {bare}, and send segments: {{{bare}: ...}}"
                )
        for name in self.reference:
            if name not in self.groups:
                raise ValueError(f"reference names {name}, which is not one of the groups")
        return self
