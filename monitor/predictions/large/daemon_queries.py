"""What the process that reads large requests asks the daemon, which alone knows all streams."""

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.predictions.fields import GROUPS, Row
from monitor.predictions.intake.fast_decoder import FastDecoders, StreamDecoder
from monitor.records import Stream


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a stream: the names and types of its groups, its ignored fields, and how often it changed."""

    groups: Mapping[str, Mapping[str, frozenset[type]]]
    ignored: frozenset[str]
    changes: int

    @classmethod
    def of(cls, decoder: StreamDecoder) -> "Known":
        """What a decoder knows."""
        groups = {
            group: {name: frozenset(kinds) for name, kinds in getattr(decoder, group).items()}
            for group in GROUPS
        }
        return cls(groups, frozenset(decoder.ignored), decoder.changes)

    def give(self, decoder: StreamDecoder) -> None:
        """Have a new decoder know it."""
        for group, names in self.groups.items():
            getattr(decoder, group).update((name, set(kinds)) for name, kinds in names.items())
            decoder.width += len(names)
        decoder.ignored |= self.ignored
        decoder.changes = self.changes


@dataclass(frozen=True, slots=True)
class AskKnown:
    """What is known of a stream, or None; True if nothing changed since `changes`."""

    stream: Stream
    changes: int

    def answer(self, decoders: FastDecoders) -> Known | bool | None:
        """The answer."""
        with decoders.lock:
            decoder = decoders.find(self.stream)
            if decoder is None:
                return None
            return True if decoder.changes == self.changes else Known.of(decoder)


@dataclass(frozen=True, slots=True)
class AskLearn:
    """Learn the names and types of a record; what is known then. A RecordError if there may be no more."""

    stream: Stream
    row: Row
    ignored: frozenset[str]

    def answer(self, decoders: FastDecoders) -> Known | bool | None:
        """The answer.

        Raises:
            RecordError: there may be no more streams, or names.
        """
        decoders.learn(self.stream, self.row, self.ignored)
        return AskKnown(self.stream, -1).answer(decoders)


@dataclass(frozen=True, slots=True)
class AskAdmit:
    """Whether a stream exists or may be created; a RecordError if not."""

    stream: Stream

    def answer(self, decoders: FastDecoders) -> None:
        """The answer.

        Raises:
            RecordError: there may be no more streams.
        """
        decoders.admit(self.stream)


@dataclass(frozen=True, slots=True)
class AskStreams:
    """The streams that count for a client, and the number of all."""

    client: str

    def answer(self, decoders: FastDecoders) -> tuple[frozenset[Stream], int]:
        """The answer."""
        return decoders.streams_of(self.client)


@dataclass(frozen=True, slots=True)
class AskRegistered:
    """What is registered for a stream, for its signals."""

    stream: Stream


def like(row: Row) -> Row:
    """A record with the names and types of another, without its values."""
    made = Row(0)
    for group in GROUPS:
        values = getattr(row, group).items()
        setattr(made, group, {name: None if value is None else type(value)() for name, value in values})
    return made
