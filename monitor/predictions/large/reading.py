"""Reads a large request into its slices: in this process, or in a child process."""

from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from monitor.errors import WatchkeeperError
from monitor.predictions.intake.fast_decoder import FastDecoders
from monitor.predictions.intake.parse import ParsedRequest
from monitor.predictions.intake.requests import RawRequest, failed
from monitor.predictions.large.slices import cut
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter

Slices = list[ParsedRequest] | WatchkeeperError
"""The slices of a request in the order in which they are stored, or the error for the sender."""


_MEDIUM_BYTES = 2_000_000
PROCESSES = 3
"""How many requests of a line are read at once, each of another sender: one that is slow to read, as texts are, keeps
no other sender waiting."""


class SizeClass(StrEnum):
    """Where a large request waits for its turn: medium ones do not wait for the largest."""

    MEDIUM = "medium"
    LARGEST = "largest"


def size_class_of(size: int) -> SizeClass:
    """The line (waiting queue) of a request of `size` bytes."""
    return SizeClass.MEDIUM if size <= _MEDIUM_BYTES else SizeClass.LARGEST


class Reader(Protocol):
    """Reads requests into slices. May be called from several threads."""

    def read(self, request: RawRequest) -> Slices:
        """The slices of a request, or the error for the sender."""

    def stop(self) -> None:
        """Read no more; a request that is being read gets an error."""


ReaderMaker = Callable[[FastDecoders, SignalMeter, PredictionSettings], Reader]


class ReaderHere:
    """Reads in the calling thread."""

    def __init__(self, decoders: FastDecoders, meter: SignalMeter, settings: PredictionSettings) -> None:
        self._decoders, self._meter, self._settings = decoders, meter, settings

    def read(self, request: RawRequest) -> Slices:
        """See `Reader`."""
        parsed = request.parsed(self._decoders)
        return self.slices_of(parsed, request) if isinstance(parsed, ParsedRequest) else parsed

    def slices_of(self, parsed: ParsedRequest, request: RawRequest) -> Slices:
        """The slices of a request that is parsed."""
        try:
            return cut(parsed, self._settings, self._meter, request.rules.clock)
        except Exception as error:  # boundary: one request must not stop the reader
            return failed(error)

    def stop(self) -> None:
        """Do nothing: a request is read to its end."""
