"""What all gauges have in common in the configuration. Each kind adds its own keys in its own file."""

from abc import abstractmethod
from typing import ClassVar, Self

from pydantic import Field, model_validator

from monitor.config.sections import Duration, Section, WholeNumber
from monitor.gauges.reading import GaugeReader
from monitor.records import DAEMON, Stream


class GaugeSettings(Section):
    """A gauge. Subclasses add `kind` and what it takes to read it."""

    is_local: ClassVar[bool] = False
    """Whether each daemon reads its own machine. Otherwise one daemon reads for all."""

    client: str = ""
    """The client whose model needs this resource. Empty: the resource is the daemon's own."""
    model: str = ""
    """The model that needs it."""
    environment: str = "production"
    """The environment of the model."""
    every: Duration = Field(default=15.0, ge=1.0)
    """Interval."""
    timeout: Duration = Field(default=5.0, gt=0, le=60.0)
    """Deadline for one reading."""
    max_waiting: WholeNumber | None = Field(default=None, ge=1)
    """For queues: the number of waiting messages beyond which `QueueBacklog` fires."""
    max_age: Duration | None = Field(default=None, gt=0)
    """For queues: the age of the oldest message beyond which `QueueBacklog` fires."""

    @model_validator(mode="after")
    def _names_a_model(self) -> Self:
        if bool(self.client) != bool(self.model):
            msg = "name both `client` and `model`, or neither"
            raise ValueError(msg)
        return self

    @property
    def watched_stream(self) -> Stream:
        """The stream to which the figures belong."""
        return Stream(self.client, self.model, self.environment) if self.model else DAEMON

    @abstractmethod
    def make_reader(self) -> GaugeReader:
        """A reader. Nothing is connected yet."""
