"""Tokens, time to the first token and per token, hits of the cache, and money."""

import pyarrow as pa
import pyarrow.compute as pc

from monitor.signals.batch import CallBatch
from monitor.signals.signal import Signal, Unit


def _amount(batch: CallBatch, name: str) -> pa.Array:
    """A column without values that cannot be an amount."""
    values = batch.column(name)
    if values.null_count == len(values):
        return values
    is_sound = pc.fill_null(pc.and_(pc.is_finite(values), pc.greater_equal(values, 0)), False)
    return pc.if_else(is_sound, values, None)


def _input_tokens(batch: CallBatch) -> pa.Array:
    return _amount(batch, "input_tokens")


def _output_tokens(batch: CallBatch) -> pa.Array:
    return _amount(batch, "output_tokens")


def _cached_share(batch: CallBatch) -> pa.Array:
    cached, total = _amount(batch, "cached_tokens"), _amount(batch, "input_tokens")
    share = pc.divide(cached, pc.if_else(pc.greater(total, 0), total, None))
    return pc.if_else(pc.less_equal(share, 1), share, None)


def _ttft(batch: CallBatch) -> pa.Array:
    return _amount(batch, "ttft_ms")


def _ms_per_token(batch: CallBatch) -> pa.Array:
    """The time after the first token, shared among the other tokens."""
    others = pc.subtract(_amount(batch, "output_tokens"), 1)
    time = pc.subtract(_amount(batch, "latency_ms"), _amount(batch, "ttft_ms"))
    is_sound = pc.and_(pc.greater(others, 0), pc.greater_equal(time, 0))
    return pc.divide(pc.if_else(is_sound, time, None), pc.if_else(is_sound, others, None))


def _cost(batch: CallBatch) -> pa.Array:
    prices = batch.registered.prices
    if prices is None:
        return pa.nulls(len(batch), pa.float64())
    total, written = _amount(batch, "input_tokens"), _amount(batch, "output_tokens")
    cached = pc.min_element_wise(pc.fill_null(_amount(batch, "cached_tokens"), 0.0), total, skip_nulls=False)
    of_cache = prices.input if prices.cached is None else prices.cached
    read = pc.add(pc.multiply(pc.subtract(total, cached), prices.input), pc.multiply(cached, of_cache))
    return pc.divide(pc.add(read, pc.multiply(written, prices.output)), 1e6)


_BOTH = ("input_tokens", "output_tokens")
SIGNALS = (
    Signal("input_tokens", Unit.TOKENS, ("input_tokens",), "Tokens that the model read.", _input_tokens),
    Signal("output_tokens", Unit.TOKENS, ("output_tokens",), "Tokens that the model wrote.", _output_tokens),
    Signal(
        "cached_share",
        Unit.RATIO,
        ("input_tokens", "cached_tokens"),
        "Share of the tokens read that came from the provider's cache.",
        _cached_share,
    ),
    Signal("time_to_first_token", Unit.MILLISECONDS, ("ttft_ms",), "Time to the first token.", _ttft),
    Signal(
        "time_per_output_token",
        Unit.MILLISECONDS,
        ("output_tokens", "ttft_ms", "latency_ms"),
        "Time after the first token, per further token.",
        _ms_per_token,
    ),
    Signal("cost", Unit.MONEY, _BOTH, "What the call cost by the client's prices a million tokens.", _cost),
)
