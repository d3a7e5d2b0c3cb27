"""All formats. A new one is a file in this folder and a line here."""

from monitor.sources.formats.captures.azureml import AzureMLFormat
from monitor.sources.formats.captures.bentoml import BentoMLFormat
from monitor.sources.formats.captures.databricks import DatabricksFormat
from monitor.sources.formats.captures.kserve import KServeFormat
from monitor.sources.formats.captures.mlflow import MLflowFormat
from monitor.sources.formats.captures.sagemaker import SageMakerFormat
from monitor.sources.formats.captures.seldon import SeldonFormat
from monitor.sources.formats.captures.vertex import VertexFormat
from monitor.sources.formats.format import FieldMapping, Format
from monitor.sources.formats.mapped import MappedFormat
from monitor.sources.formats.plain import PlainFormat

FORMATS: tuple[type[Format], ...] = (
    PlainFormat,
    MappedFormat,
    SageMakerFormat,
    DatabricksFormat,
    VertexFormat,
    KServeFormat,
    SeldonFormat,
    AzureMLFormat,
    BentoMLFormat,
    MLflowFormat,
)
NAMES = tuple(one.kind for one in FORMATS)


def make(kind: str, mapping: FieldMapping) -> Format:
    """The format of this name.

    Raises:
        ValueError: there is none, or the mapping cannot be used.
    """
    for one in FORMATS:
        if one.kind == kind:
            return one(mapping)
    msg = f"there is no format {kind!r} (use {', '.join(NAMES)})"
    raise ValueError(msg)
