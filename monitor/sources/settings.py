"""What all sources have in common in the configuration. Each kind adds its own keys in its own file."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from monitor.config.sections import Duration, Section
from monitor.sources.formats import catalog
from monitor.sources.formats.format import FieldMapping, Format
from monitor.sources.source import Source


class SourceSettings(Section):
    """A source of records. Subclasses add `kind` and what it takes to connect."""

    counts_all: ClassVar[bool] = True
    """Whether the lag counts what waits for all daemons together, not only for the one that asks."""

    client: str = ""
    """The client whose records these are. Records of other clients are rejected. Empty: each record names its
    client."""
    model: str = ""
    """The model of records that do not name one."""
    environment: str = ""
    """The environment of records that do not name one; production if empty."""
    version: str = ""
    """The version of records that do not name one."""
    format: str = "watchkeeper"
    """What the messages contain: `watchkeeper` (records as for `POST /v1/predictions` and `/v1/outcomes`), `mapped`
    (other JSON; see `fields`), or the captures of a platform: `sagemaker`, `databricks`, `vertex`, `kserve`, `seldon`,
    `azureml`, `bentoml` or `mlflow`."""
    rows: str = "$"
    """For `mapped`: JSON path of the elements that become one record each, such as `$.instances[*]`."""
    fields: dict[str, str] = {}
    """For `mapped` and captures: JSON path by field, such as `{prediction: $.output.label, features: $.input}`."""
    columns: tuple[str, ...] = ()
    """Names of values that have none in the messages, in their order."""
    pair_within: Duration = Field(default=600.0, ge=1.0)
    """How long a request waits for its response, and a response for its request, where they are two messages."""
    unanswered: Literal["quarantine", "error"] = "quarantine"
    """What becomes of a request whose response does not arrive: it goes to quarantine, or is a prediction with the
    error `no response`."""
    max_age: Duration = Field(default=900.0, gt=0)
    """Age of the oldest waiting message beyond which the alert `SourceBehind` fires."""

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        self.make_format()
        return self

    def make_format(self) -> Format:
        """The format of the messages."""
        return catalog.make(self.format, FieldMapping(self.rows, self.fields, self.columns))

    @property
    def defaults(self) -> Mapping[str, str]:
        """The fields that are filled in where a record lacks them."""
        named = {"model": self.model, "environment": self.environment, "version": self.version}
        return {name: value for name, value in named.items() if value}

    @abstractmethod
    def make_source(self, name: str) -> Source:
        """A connection, not opened yet. `name` is the key of this section."""
