"""Queues of Amazon SQS: the depth from SQS, and the age of the oldest message from CloudWatch."""

import time
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from monitor.gauges.reading import GaugeError, GaugeReader, Quantity, Reading
from monitor.gauges.settings import GaugeSettings
from monitor.sources.brokers.aws_calls import AwsCalls, AwsError, region_of
from monitor.sources.brokers.sqs import queue_url, waiting_of
from monitor.sources.source import SourceError
from monitor.visible import visible

_PERIOD = 60
_LOOK_BACK = 600
"""CloudWatch has the figure of a minute some minutes later."""
_HINT = "allow `cloudwatch:GetMetricStatistics`, or leave out `max_age`"


class SqsQueueSettings(GaugeSettings):
    """A queue of Amazon SQS. Needs the extra `sqs`."""

    kind: Literal["sqs"] = "sqs"
    """A queue of Amazon SQS."""
    queue: Annotated[str, AfterValidator(queue_url)]
    """URL of the queue. With `max_age`, CloudWatch is asked for the age of the oldest message, once a minute."""
    region: str = ""
    """Region, if the URL does not contain it."""
    cloudwatch: str = ""
    """Address of CloudWatch, if it is not that of the region."""

    def make_reader(self) -> GaugeReader:
        """A client, not connected yet."""
        return SqsQueue(self)


class SqsQueue:
    """Asks for each reading."""

    def __init__(self, settings: SqsQueueSettings) -> None:
        self._settings = settings
        region = settings.region or region_of(settings.queue)
        self._queue = AwsCalls("sqs", settings.queue, region)
        address = settings.cloudwatch or f"https://monitoring.{region}.amazonaws.com"
        self._metrics = AwsCalls("monitoring", address, region)
        self._age_due = 0.0
        self._failure: GaugeError | None = None

    def read(self) -> Sequence[Reading]:
        """Depth, and with `max_age` the age of the oldest message."""
        shown = visible(self._settings.queue.rpartition("/")[2])[:100]
        try:
            depth = waiting_of(self._queue, self._settings.queue)
        except SourceError as error:
            raise GaugeError(error.message, hint=error.hint) from error
        readings = [Reading(Quantity.QUEUE_DEPTH, shown, float(depth))]
        if self._settings.max_age is None:
            return readings
        if depth == 0:
            return [*readings, Reading(Quantity.QUEUE_AGE, shown, 0.0)]
        if time.monotonic() >= self._age_due:
            self._age_due, self._failure = time.monotonic() + _PERIOD, None
            try:
                age = self._age()
                readings += [] if age is None else [Reading(Quantity.QUEUE_AGE, shown, age)]
            except GaugeError as error:
                self._failure = error
        if self._failure is not None:
            raise self._failure
        return readings

    def _age(self) -> float | None:
        """Age of the oldest message in the last minute that CloudWatch knows; None if it knows none."""
        now = time.time()
        parameters: dict[str, Any] = {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateAgeOfOldestMessage",
            "Dimensions": [{"Name": "QueueName", "Value": self._settings.queue.rpartition("/")[2]}],
            "StartTime": int(now - _LOOK_BACK),
            "EndTime": int(now),
            "Period": _PERIOD,
            "Statistics": ["Maximum"],
        }
        target = "GraniteServiceVersion20100801.GetMetricStatistics"
        try:
            answer = self._metrics.call(target, parameters, self._settings.timeout)
            points = answer.get("Datapoints") or []
            latest = max(points, key=lambda point: float(point["Timestamp"]), default=None)
            return None if latest is None else float(latest["Maximum"])
        except AwsError as error:
            raise GaugeError(f"CloudWatch: {error}", hint=_HINT) from error
        except (KeyError, TypeError, ValueError) as error:
            raise GaugeError(f"CloudWatch: its answer cannot be read: {error}", hint=_HINT) from error
