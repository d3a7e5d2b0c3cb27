"""Reads the records of many calls of language models at once, with what their streams' decoders know.

The records are made by this program (`monitor.sources.otlp`), so they have few forms. Those that fit become columns;
the others are read one by one, as all are at first. Both ways give the same rows.
"""

import sys
from collections.abc import Sequence
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from monitor.predictions.intake import parse
from monitor.predictions.intake.fast_decoder import FastDecoders, StreamDecoder
from monitor.predictions.intake.parse import ParsedRequest, RecordKind, StreamRows
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.rows import Fields, by_field, columns, transpose
from monitor.predictions.texts.call import LISTS, MOST_TEXTS, SINGLE
from monitor.predictions.texts.call_columns import with_texts
from monitor.records import DAEMON, Stream
from monitor.text_limits import VERSION_BYTES, flaw_of_text
from monitor.times.columns import column_of_micros

_FEW = 16
"""Records of a stream below which columns are not worth it."""
_stream_of = itemgetter("client", "model", "environment")


def read_together(
    records: Sequence[object], size: int, rules: Rules, decoders: FastDecoders
) -> ParsedRequest | None:
    """Validate calls; None if one is rejected, or two have one id. `size` is the number of bytes of them.

    Raises:
        TooLargeError: they would take more memory than one request may.
    """
    by_stream: dict[tuple[Any, Any, Any], list[dict[str, Any]]] = {}
    for record in records:
        if not isinstance(record, dict):
            return None
        by_stream.setdefault(_stream_of(record), []).append(record)
    parts: list[StreamRows] = []
    rest: list[object] = []
    for (client, model, environment), calls in by_stream.items():
        decoder = _decoder_of(client, model, environment or "production", rules, decoders)
        known, others = ([], calls) if decoder is None or len(calls) < _FEW else _known(decoder, calls)
        part = _part_of(decoder, known, rules) if decoder is not None and len(known) >= _FEW else None
        rest += calls if part is None else others
        parts += [] if part is None else [part]
    parsed = parse.check(RecordKind.PREDICTIONS, rest, size, rules, decoders)
    if parsed.rejected or _have_repeated_ids(by_stream.values()):
        return None
    parsed.parts = [*parts, *parsed.parts]
    parse.check_size(parsed)
    return parsed


def _have_repeated_ids(by_stream: Any) -> bool:
    return any(len({str(call.get("id")) for call in calls}) < len(calls) for calls in by_stream)


def _decoder_of(
    client: str, model: str, environment: str, rules: Rules, decoders: FastDecoders
) -> StreamDecoder | None:
    """The decoder of a stream to which the sender may write."""
    decoder = decoders.find(Stream(client, model, environment))
    is_allowed = (
        rules.client in ("", client)
        and client != DAEMON.client
        and rules.is_known(client)
        and (not rules.models or model in rules.models)
    )
    return decoder if is_allowed else None


def _known(decoder: StreamDecoder, calls: Sequence[dict[str, Any]]) -> tuple[list[Any], list[dict[str, Any]]]:
    """The rows of the calls that fit a decoder, and the other calls."""
    kind, known, others = decoder.remembered(_struct), list[Any](), list[dict[str, Any]]()
    for call in calls:
        try:
            known.append(msgspec.convert(call, kind))
        except (msgspec.MsgspecError, OverflowError, RecursionError):
            others.append(call)
    return known, others


def _struct(decoder: StreamDecoder) -> type[msgspec.Struct]:
    """The struct of a call, with the fields that spans fill, and the known features and segments of the stream."""
    stream, longest = decoder.stream, decoder.settings.max_label
    label = Annotated[str, msgspec.Meta(max_length=longest)]
    version = Annotated[str, msgspec.Meta(max_length=min(longest, VERSION_BYTES // 4))]
    amount = Annotated[float, msgspec.Meta(ge=0, le=sys.float_info.max)]
    environment: Any = Literal[stream.environment]
    features = decoder.group("features", decoder.features, decoder.settings.max_text)
    segments = decoder.group("segments", decoder.segments, longest)
    fields: list[Any] = [
        ("id", label),
        ("timestamp", int),
        ("client", Literal[stream.client]),
        ("model", Literal[stream.model]),
        ("environment", environment | None if stream.environment == "production" else environment),
        ("version", version | None, None),
        ("cost", amount | None, None),
        ("features", features | None, None),
        ("segments", segments | None, None),
        ("texts", _struct_of_texts(decoder.settings.max_text) | None, None),
        ("json_asked", bool | None | msgspec.UnsetType, msgspec.UNSET),
        ("latency_ms", amount | None, None),
        ("finish_reason", label | None | msgspec.UnsetType, msgspec.UNSET),
        ("prediction", label | None, None),
        ("error", label | None, None),
    ]
    return msgspec.defstruct("Call", fields, forbid_unknown_fields=True, gc=False)


def _struct_of_texts(longest: int) -> Any:
    text = Annotated[str, msgspec.Meta(max_length=longest)]
    texts = Annotated[list[text], msgspec.Meta(max_length=MOST_TEXTS)]
    fields: list[Any] = [(name, text | None, None) for name in SINGLE]
    fields += [(name, texts | None, None) for name in LISTS]
    return msgspec.defstruct("Texts", fields, forbid_unknown_fields=True, gc=False)


def _part_of(decoder: StreamDecoder, rows: Sequence[Any], rules: Rules) -> StreamRows | None:
    """The rows as columns; None if one needs a closer check."""
    fields = transpose(rows)
    answers, errors = fields["prediction"], fields["error"]
    if any(error is None and answer is None for answer, error in zip(answers, errors, strict=True)):
        return None
    times = column_of_micros(fields["timestamp"], rules.now)
    if times is None or not parse.are_timely(times, rules):
        return None
    ordered = by_field(fields, times)
    if not _is_storable(ordered, fields["finish_reason"]):
        return None
    batch = with_texts(columns(ordered), fields["texts"], fields["finish_reason"], fields["json_asked"])
    return StreamRows(decoder.stream, batch, np.asarray(times), batch.num_columns)


def _is_storable(rows: Fields, reasons: Sequence[Any]) -> bool:
    """Whether each label can be stored in every database. Texts of calls are made so later."""
    columns_of_labels = (*rows.values.values(), reasons)
    labels = ("".join([value for value in values if isinstance(value, str)]) for values in columns_of_labels)
    return not any(map(flaw_of_text, labels))
