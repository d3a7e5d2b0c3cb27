"""What a client reads of groups: figures with intervals, of whom, over which time; never more than was measured."""

from monitor.health import wording
from monitor.health.fairness import CAVEAT, MOST_NAMED, sentences
from monitor.health.fairness_settings import FairnessSection
from monitor.records import Measurement, Stream, Window, labels

FAIRNESS = FairnessSection(groups=("sex", "age"), favourable="approved")
HOSTILE = "\u202eevil\r\nBcc: x" + "w" * 10_000
PERIOD = "of the last 24 hours"


def rate(group: str, value: float | None, n: float) -> Measurement:
    ends = (None, None) if value is None else (value - 0.03, value + 0.03)
    reason = f"{n:.0f} rows of {group}, 100 needed" if value is None else ""
    where = labels(group=group)
    return Measurement(
        Stream("acme", "credit"), Window(0, 86400), "selection_rate", value, "share", n=n, labels=where,
        low=ends[0], high=ends[1], reason=reason,
    )  # fmt: skip


def ratio(group: str, reference: str, value: float) -> Measurement:
    where = labels(group=group, reference_group=reference)
    return Measurement(
        Stream("acme", "credit"), Window(0, 86400), "disparate_impact", value, n=900, labels=where, low=value * 0.9,
        high=value * 1.1,
    )  # fmt: skip


def test_a_sentence_has_the_rates_the_ratio_the_intervals_and_the_caveat() -> None:
    measured = [
        rate("sex=f", 0.42, 1032), rate("sex=m", 0.5, 2100), rate("sex=x", None, 17), ratio("sex=f", "sex=m", 0.84),
    ]  # fmt: skip
    [(segment, text)] = sentences(FAIRNESS, measured, PERIOD)
    assert segment == "sex"
    assert text.replace(wording.count(2100), "2,100").replace(wording.count(1032), "1,032") == (
        'Share of answers of the last 24 hours that were "approved", with 95 % intervals: m 50 % (47 % to 53 %, 2,100 '
        "answers); f 42 % (39 % to 45 %, 1,032 answers), 0.84 times that of m (0.756 to 0.924). Not measured: x (17 "
        f"answers, 100 needed). {CAVEAT}"
    )


def test_few_answers_are_no_figures_and_nothing_measured_is_nothing_said() -> None:
    [(_, text)] = sentences(FAIRNESS, [rate("sex=f", None, 20), rate("sex=m", None, 25)], PERIOD)
    assert text.startswith(
        "Too few answers of the last 24 hours to compare groups. Not measured: f (20 answers"
    )
    assert sentences(FAIRNESS, [], PERIOD) == []


def test_many_groups_and_long_names_stay_short_and_the_most_distant_come_first() -> None:
    measured = [rate("age=0", 0.5, 5000)]
    for number in range(1, 30):
        measured += [rate(f"age={number}", 0.4, 200), ratio(f"age={number}", "age=0", 1 - number / 100)]
    measured += [rate(f"sex={HOSTILE}", 0.3, 500)]
    by_segment = dict(sentences(FAIRNESS, measured, PERIOD))
    assert by_segment["age"].count(" answers)") == MOST_NAMED
    assert "; 29 40 %" in by_segment["age"]
    assert f"and {30 - MOST_NAMED} more" in by_segment["age"]
    assert len(by_segment["age"]) < 600
    assert "\n" not in by_segment["sex"]
    assert "\u202e" not in by_segment["sex"]
    assert len(by_segment["sex"]) < 300
