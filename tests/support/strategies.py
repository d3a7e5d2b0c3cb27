"""Tables that Hypothesis makes: columns of every kind, of inputs, answers and what became known later."""

from datetime import UTC, date, datetime

import pyarrow as pa
from hypothesis import strategies as st

_floats = st.floats(allow_nan=True, allow_infinity=True, width=64)
_moments = st.integers(631152000, 2208988800).map(lambda second: datetime.fromtimestamp(second, UTC))
_sensible = st.floats(-1e6, 1e6)


def _some(values: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
    return st.lists(st.none() | values, min_size=1)


def _mixed() -> st.SearchStrategy[list[object]]:
    """Numbers, texts and numbers written as texts in one column, as a CSV gives them."""
    return _some(st.sampled_from(["1", "2.5", "n/a", "", "-", "1e5", "0x1F", "1,5", "NaN", "inf", "true"]))


INPUTS = {
    "number": _some(_floats),
    "small": _some(st.sampled_from([0.0, -0.0, 1.0, 1.5, -3.0])),
    "constant": st.sampled_from([0.0, 7.5, -1e300, 5e-324]).map(lambda value: [value]),
    "integer": _some(st.integers(-(2**40), 2**40)),
    "flag": _some(st.booleans()),
    "label": _some(st.text(max_size=3)),
    "digits": _some(st.integers(0, 99).map(str)),
    "mixed": _mixed(),
    "date": _some(st.sampled_from(["2026-11-23", "23.11.2026", "11/23/2026", "soon"])),
    "no_zone": _some(_moments.map(lambda moment: moment.replace(tzinfo=None))),
    "moment": _some(_moments),
    "day": _some(st.dates(date(1990, 1, 1), date(2040, 1, 1))),
    "text": _some(st.text(min_size=65, max_size=90)),
    "vector": _some(st.lists(st.floats(-5, 5, width=32), min_size=3, max_size=3)),
    "nothing": st.lists(st.none(), min_size=1),
}
_ANSWERS = {
    "version": _some(st.sampled_from(["7", "8"])),
    "error": _some(st.sampled_from(["timeout", "oom"])),
    "latency_ms": _some(st.floats(-1, 1e9)),
    "automated": _some(st.booleans()),
    "cost": _some(st.floats(0, 100)),
    "segments.region": _some(st.sampled_from(["eu", "us"])),
    "outcome.delay": _some(st.floats(0, 1e7)),
    "outcome.reviewed": _some(st.booleans()),
    "outcome.corrected": _some(st.booleans()),
    "outcome.feedback": _some(st.integers(1, 5).map(float)),
}
LABELS = _ANSWERS | {
    "prediction": _some(st.sampled_from(["a", "b"])),
    "confidence": _some(st.floats(0, 1)),
    "probabilities.a": _some(st.floats(0, 1)),
    "probabilities.b": _some(st.floats(0, 1)),
    "outcome.truth": _some(st.sampled_from(["a", "b", "c"])),
    "attributions.x": _some(_floats),
    "attributions.y": _some(_sensible),
    "predicted_labels": _some(st.sampled_from(['["a","b"]', '["b"]', "[]"])),
    "outcome.true_labels": _some(st.sampled_from(['["a"]', '["b","c"]', "[]"])),
    "ranking": _some(st.sampled_from(['["a","b"]', '["b","b"]', "[]", '["c"]'])),
    "outcome.relevant": _some(st.sampled_from(['{"a":1}', '{"a":0,"b":2}', "{}", '{"d":3}'])),
}
NUMBERS = _ANSWERS | {
    "outputs": _some(st.sampled_from(['{"w":1.5}', '{"w":-2,"h":1e80}', "{}"])),
    "outcome.true_outputs": _some(st.sampled_from(['{"w":1.5}', '{"h":0}', '{"w":1e300}'])),
    "prediction": _some(_sensible),
    "outcome.truth": _some(_sensible),
}


@st.composite
def tables(draw: st.DrawFn, answers: str = "") -> pa.Table:
    """A table of up to 60 rows with any of the inputs, and with the answers of a classifier or a regressor."""
    rows = draw(st.integers(1, 60))
    outputs = {"labels": LABELS, "numbers": NUMBERS}[answers or draw(st.sampled_from(["labels", "numbers"]))]
    names = draw(st.lists(st.sampled_from(sorted(INPUTS)), min_size=1, max_size=4, unique=True))
    names += draw(st.lists(st.sampled_from(sorted(outputs)), max_size=10, unique=True))
    columns = {}
    for name in names:
        values = draw((INPUTS | outputs)[name])
        columns[name] = pa.array([values[i % len(values)] for i in range(rows)])
    return pa.table(columns)


kinds_of_answers = st.sampled_from(["labels", "numbers"])
"""Which of two tables that are held against each other both are of."""
pairs = kinds_of_answers.flatmap(lambda answers: st.tuples(tables(answers), tables(answers)))
"""A reference and a window of one model, or of two that have nothing in common but their kind."""
