"""What `/metrics` says of the answers of language models: signals, tokens and judges."""

from collections.abc import Sequence

from monitor.exporters.samples import SampleSet
from monitor.metrics.calls.consumption import TOKEN_RATE
from monitor.metrics.calls.judges import JUDGE_AGREEMENT
from monitor.metrics.calls.signals import SIGNAL_MEAN, SIGNAL_RATE
from monitor.records import Measurement

_OF_SIGNALS = {SIGNAL_RATE.name: "watchkeeper_signal_ratio", SIGNAL_MEAN.name: "watchkeeper_signal_mean"}


def write(samples: SampleSet, base: list[str], measured: Sequence[Measurement]) -> None:
    """The figures of one stream. `base` is client, environment and model."""
    for one in measured:
        labels = dict(one.labels)
        if one.value is None or "segment" in labels:
            continue
        if one.metric in _OF_SIGNALS:
            signal, version = labels.get("signal", ""), labels.get("version", "")
            samples.put(_OF_SIGNALS[one.metric], [*base, version, signal], one.value)
        elif one.metric == TOKEN_RATE.name:
            samples.put("watchkeeper_tokens_per_second", [*base, labels.get("version", "")], one.value)
        elif one.metric == JUDGE_AGREEMENT.name:
            values = [*base, labels.get("score", ""), labels.get("evaluator", "")]
            samples.put("watchkeeper_judge_agreement_ratio", values, one.value)
