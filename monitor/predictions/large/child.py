"""What the child process does that reads large requests.

Its decoders are copies: those of the daemon know all streams and their names, and decide whether there may be more. So
a request gets the same answer wherever it is read.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.childprocess.messages import Ask
from monitor.predictions.fields import Row
from monitor.predictions.intake.fast_decoder import TOO_MANY, FastDecoders, StreamDecoder, check_count
from monitor.predictions.intake.requests import RawRequest
from monitor.predictions.intake.validation import RecordError
from monitor.predictions.large.daemon_queries import (
    AskAdmit,
    AskKnown,
    AskLearn,
    AskRegistered,
    AskStreams,
    Known,
    like,
)
from monitor.predictions.large.reading import ReaderHere
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.predictions.texts.policy import TextPolicy
from monitor.records import Stream
from monitor.runtime.faults import Faults

_MOST_KEPT = 100
"""Most decoders that are kept for the next request."""


@dataclass(frozen=True, slots=True)
class ReaderSetup:
    """What a reader knows from its start: the settings, and how texts are measured."""

    settings: PredictionSettings
    policies: dict[str, TextPolicy]
    signals: dict[str, str]


def serve(setup: ReaderSetup, ask: Ask) -> Callable[[RawRequest, bytes], Iterator[Any]]:
    """The function that reads requests: it yields the slices or the error, and then the faults."""
    faults = Faults()
    decoders = RemoteDecoders(setup.settings, ask)
    meter = SignalMeter(faults, setup.policies, lambda stream: ask(AskRegistered(stream)), setup.signals)
    reader = ReaderHere(decoders, meter, setup.settings)

    def answer(request: RawRequest, body: bytes) -> Iterator[Any]:
        decoders.begin()
        slices = reader.read(msgspec.structs.replace(request, body=body))
        yield from slices if isinstance(slices, list) else [slices]
        yield from faults.active()

    return answer


class RemoteDecoders(FastDecoders):
    """Copies of the daemon's decoders. In each request, the daemon is asked about a stream at its first use, and again
    when a record would change what is known.
    """

    def __init__(self, settings: PredictionSettings, ask: Ask) -> None:
        super().__init__(settings)
        self._ask = ask
        self._kept: dict[Stream, StreamDecoder] = {}
        self._asked: set[Stream] = set()
        self._admitted: set[Stream] = set()
        self._full: dict[str, tuple[frozenset[Stream], int]] = {}

    def begin(self) -> None:
        """Begin a request: what was known may have changed."""
        self._kept |= self._by_stream
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._by_stream, self._full, self._guesses = {}, {}, {}
        self._asked, self._admitted = set(), set()

    def find(self, stream: Stream) -> StreamDecoder | None:
        """See `FastDecoders.find`."""
        if stream not in self._asked:
            full = self._full.get(stream.client)
            if full is None or stream in full[0]:
                self._asked.add(stream)
                self._install(stream, self._known(stream))
        return self._by_stream.get(stream)

    def learn(self, stream: Stream, row: Row, ignored: Iterable[str]) -> None:
        """See `FastDecoders.learn`."""
        decoder, names = self._by_stream.get(stream), frozenset(ignored)
        if decoder is not None:
            if decoder.knows(row, names):
                return
            decoder.check(row)
        self._asked.add(stream)
        self._install(stream, self._decided(stream, AskLearn(stream, like(row), names)))

    def admit(self, stream: Stream) -> None:
        """See `FastDecoders.admit`."""
        if self.find(stream) is None and stream not in self._admitted:
            self._decided(stream, AskAdmit(stream))
            self._admitted.add(stream)

    def _decided(self, stream: Stream, question: AskLearn | AskAdmit) -> Known | bool | None:
        """What the daemon decides. Once a client may have no more streams, that is decided here.

        Raises:
            RecordError: there may be no more streams, or names.
        """
        full = self._full.get(stream.client)
        if full is not None and stream not in full[0]:
            of_client = sum(one.client == stream.client for one in full[0])
            check_count(stream, of_client, full[1], self._settings)
        try:
            return self._ask(question)  # type: ignore[no-any-return]
        except RecordError as error:
            if error.reason == TOO_MANY:
                self._full[stream.client] = self._ask(AskStreams(stream.client))
            raise

    def _known(self, stream: Stream) -> Known | bool | None:
        kept = self._kept.get(stream)
        return self._ask(AskKnown(stream, kept.changes if kept else -1))  # type: ignore[no-any-return]

    def _install(self, stream: Stream, known: Known | bool | None) -> None:
        if known is None:
            self._by_stream.pop(stream, None)
        elif isinstance(known, Known):
            decoder = StreamDecoder(stream, self._settings)
            known.give(decoder)
            self._by_stream[stream] = decoder
        else:
            self._by_stream[stream] = self._kept[stream]
