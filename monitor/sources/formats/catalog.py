"""All formats. A new one is a file in this folder and a line here."""

from monitor.sources.formats.databricks import DatabricksFormat
from monitor.sources.formats.format import FieldMapping, Format
from monitor.sources.formats.mapped import MappedFormat
from monitor.sources.formats.plain import PlainFormat
from monitor.sources.formats.sagemaker import SageMakerFormat
from monitor.sources.formats.vertex import VertexFormat

FORMATS: tuple[type[Format], ...] = (
    PlainFormat,
    MappedFormat,
    SageMakerFormat,
    DatabricksFormat,
    VertexFormat,
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
