"""The `forecast` section of a model: by which horizons forecasts are judged, and which features bound them."""

from pydantic import Field, model_validator

from monitor.config.sections import Duration, RealNumber, Section

_LONGEST = 120
"""Characters of a name as it is written into expressions, some of which name it six times."""


class ForecastSection(Section):
    """What is sent beside forecasts. Without any of it, nothing of forecasts is measured."""

    horizon: str = ""
    """The segment that holds the horizon, such as `horizon` for `segments: {horizon: "24h"}`."""
    lower: str = ""
    """The feature with the lower bound of the prediction interval."""
    upper: str = ""
    """The feature with the upper bound of the prediction interval."""
    level: RealNumber | None = Field(default=None, gt=0, lt=1)
    """The nominal coverage of the interval, such as 0.8."""
    quantiles: dict[str, RealNumber] = Field(default_factory=dict)
    """Predicted quantiles: the level of each, by feature, such as `{q10: 0.1, q90: 0.9}`."""
    scale: RealNumber | str | None = None
    """What MASE divides by: the mean absolute error of the seasonal naive forecast in the training data, or the
    feature that holds it for each record. Without it and `season`, MASE is not measured."""
    season: Duration | None = Field(default=None, gt=0)
    """After which time the series repeats itself, such as `7d`. The scale of MASE is then learned from the baseline, as
    the mean absolute error of the naive forecast of one season before."""
    series: str = ""
    """The segment that names the series, where the rows of a model are of several."""
    naive: str = ""
    """The feature with the naive forecast for the same time, such as the value one season before."""

    @model_validator(mode="after")
    def _is_whole(self) -> "ForecastSection":
        given = [bool(self.lower), bool(self.upper), self.level is not None]
        if any(given) and not all(given):
            raise ValueError("a prediction interval needs lower, upper and level")
        for level in self.quantiles.values():
            if not 0 < level < 1:
                raise ValueError(
                    f"{level} is not a quantile level: use a number between 0 and 1, such as 0.9"
                )
        if len({f"{level:g}" for level in self.quantiles.values()}) < len(self.quantiles):
            raise ValueError("two quantiles have the same level")
        of_record = (self.scale if isinstance(self.scale, str) else "", *self.quantiles)
        for name in (self.horizon, self.series, self.lower, self.upper, self.naive, *of_record):
            if name.startswith(("features.", "segments.")):
                raise ValueError(f"names are bare: write {name.partition('.')[2]} instead of {name}")
            if len(repr(name)) > _LONGEST:
                raise ValueError(f"{name[:40]}… is too long for a name: use at most 100 characters")
        return self

    @model_validator(mode="after")
    def _has_one_scale(self) -> "ForecastSection":
        if isinstance(self.scale, float | int) and not self.scale > 0:
            raise ValueError("scale must be more than 0")
        if isinstance(self.scale, str) and not self.scale:
            raise ValueError("scale is empty: write a number or the name of a feature")
        if self.season is not None and self.scale is not None:
            raise ValueError("scale and season cannot be combined: with a season, the scale is learned")
        if self.series and self.season is None:
            raise ValueError("series need a season, by which their scales are learned")
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything is configured."""
        return self != _NOTHING


_NOTHING = ForecastSection()
