"""Forecasts by horizon: relative error, and how far prediction intervals fall short of their nominal coverage."""

from monitor.exporters.grafana.panels import Panel, PanelRow, Query, S

_EMPTY = "No forecasts configured"
_ERRORS = f'{S[:-1]}, metric="wape", kind="realized", segment!="all"{S[-1]}'
_SHORTFALL = f'{S[:-1]}, metric="coverage_shortfall", window="1d"{S[-1]}'

FORECASTS = PanelRow(
    "Forecasts",
    (
        Panel(
            "Relative error by horizon",
            "All errors of a horizon, relative to all of its actual values (WAPE). Other segments are shown as well.",
            "timeseries", "percentunit", 12, 8,
            (Query(f"max by (segment) (watchkeeper_performance_value{_ERRORS})", "{{segment}}"),), empty=_EMPTY,
        ),
        Panel(
            "Coverage shortfall",
            "Nominal coverage of prediction intervals minus the measured one, over a day. Above 0 they are too narrow.",
            "timeseries", "percentunit", 12, 8,
            (Query(f"max by (segment) (watchkeeper_measurement_value{_SHORTFALL})", "{{segment}}"),), empty=_EMPTY,
        ),
    ),
    closed=True,
)  # fmt: skip
