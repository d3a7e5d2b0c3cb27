"""All signals. A new one is a function in the file of its family, and a line in that file's `SIGNALS`."""

from collections.abc import Sequence

import pyarrow as pa

from monitor.signals.batch import CallBatch
from monitor.signals.calls import NOTHING_REGISTERED, Calls, Registered
from monitor.signals.cost import consumption
from monitor.signals.form import json_form, language, length, refusal, repetition
from monitor.signals.injection import canaries, suspicion, system_prompts
from monitor.signals.personal_data import leaks
from monitor.signals.personal_data.redaction import redact
from monitor.signals.signal import Signal
from monitor.signals.support import agreement, dates, log_probabilities, names, numbers, overlap

__all__ = ["SIGNALS", "measure", "redact"]

SIGNALS: tuple[Signal, ...] = (
    *overlap.SIGNALS,
    *numbers.SIGNALS,
    *dates.SIGNALS,
    *names.SIGNALS,
    *agreement.SIGNALS,
    *log_probabilities.SIGNALS,
    *length.SIGNALS,
    *refusal.SIGNALS,
    *repetition.SIGNALS,
    *language.SIGNALS,
    *json_form.SIGNALS,
    *leaks.SIGNALS,
    *suspicion.SIGNALS,
    *system_prompts.SIGNALS,
    *canaries.SIGNALS,
    *consumption.SIGNALS,
)


def measure(
    calls: Calls, registered: Registered = NOTHING_REGISTERED, signals: Sequence[Signal] = SIGNALS
) -> pa.Table:
    """Measure signals of calls: a column a signal, a row a call; null is not measured."""
    batch = CallBatch(calls, registered)
    return pa.table({signal.name: signal.measure(batch) for signal in signals})
