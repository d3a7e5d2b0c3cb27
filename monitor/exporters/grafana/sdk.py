"""Grafana's builder library, imported without its announcement. It only generates files; the daemon
does not need it.
"""

import warnings
from typing import Any

with warnings.catch_warnings():
    # On import the library warns about its next generation; Grafana 11 to 13 load the classic JSON from files.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import (
        bargauge,
        gauge,
        heatmap,
        prometheus,
        stat,
        statetimeline,
        statushistory,
        table,
        timeseries,
    )
    from grafana_foundation_sdk.builders import (
        common as common_builders,
    )
    from grafana_foundation_sdk.builders import (
        dashboard as builders,
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common
    from grafana_foundation_sdk.models import dashboard as models
    from grafana_foundation_sdk.models.prometheus import PromQueryFormat

__all__ = [
    "PANELS",
    "JSONEncoder",
    "PromQueryFormat",
    "builders",
    "common",
    "common_builders",
    "models",
    "prometheus",
]

PANELS: dict[str, Any] = {
    "stat": stat.Panel,
    "gauge": gauge.Panel,
    "timeseries": timeseries.Panel,
    "table": table.Panel,
    "statetimeline": statetimeline.Panel,
    "statushistory": statushistory.Panel,
    "heatmap": heatmap.Panel,
    "bargauge": bargauge.Panel,
}
"""The library's builder for each kind of panel."""
