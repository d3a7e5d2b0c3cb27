"""The measured error and cost of each signal: `measured.json`, which `make bench-signals` writes."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec

PATH = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, slots=True)
class MeasuredError:
    """How often a signal was right on one labelled set.

    `recall` is the share found of the `positives`, `false_alarms` the share flagged of the `negatives`; None where the
    set has none of them. `auc` is the area under the ROC curve of a number, `baseline` that of the mere length of the
    answer, and `matched` the AUC on pairs of about the same length. `is_tuned` tells that the signal was chosen on a
    part of this set, or by somebody who knew it.
    """

    signal: str
    dataset: str
    language: str = "en"
    positives: int = 0
    negatives: int = 0
    recall: float | None = None
    false_alarms: float | None = None
    auc: float | None = None
    baseline: float | None = None
    matched: float | None = None
    is_tuned: bool = False

    @property
    def sentence(self) -> str:
        """The error in words."""
        figures = [
            f"finds {self.recall:.1%} of {self.positives:,}" if self.recall is not None else "",
            f"false alarms {self.false_alarms:.2%} of {self.negatives:,}"
            if self.false_alarms is not None
            else "",
            f"AUC {self.auc:.2f}" if self.auc is not None else "",
            f"(length alone {self.baseline:.2f})" if self.baseline is not None else "",
            f"at equal length {self.matched:.2f}" if self.matched is not None else "",
        ]
        return f"{self.dataset}, {self.language}: " + ", ".join(filter(None, figures)).replace(", (", " (")


class _Measured(msgspec.Struct):
    errors: list[MeasuredError]
    microseconds: dict[str, float]


@cache
def _measured() -> _Measured:
    return msgspec.json.decode(PATH.read_bytes(), type=_Measured)


def errors_of(signal: str) -> list[MeasuredError]:
    """The measured errors of a signal, one for each labelled set; none for what is counted and cannot be wrong."""
    return [error for error in _measured().errors if error.signal == signal]


def microseconds_of(signal: str) -> float | None:
    """CPU time a call of texts of 1 kB; None if it was not measured."""
    return _measured().microseconds.get(signal)
