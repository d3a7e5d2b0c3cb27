"""Laws of redaction: nothing planted stays, in any surrounding; twice is once; flags never grow."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.signals.calls import Calls
from monitor.signals.personal_data.leaks import SIGNALS
from monitor.signals.personal_data.redaction import redact, redacted_text
from monitor.signals.registry import measure
from tests.signals.personal_data.test_kinds import FOUND, wide
from tests.support.thorough import examples

PLANTED = [value for values in FOUND.values() for value in values]
SURROUNDINGS = st.text(
    st.characters(exclude_categories=["Cs", "Nd", "Lu", "Ll", "Lt", "Lm", "Lo"]), max_size=12
)
FRAGMENTS = st.sampled_from(
    [
        *PLANTED,
        "4111",
        "1111 ",
        "@",
        ".de",
        "+",
        "DE89",
        "AKIA",
        "://",
        ":",
        "-",
        "\u200b",
        "é",
        "٣",
        "[mail]",
        "a",
        " ",
    ]
)


@settings(max_examples=examples(60), deadline=None)
@given(SURROUNDINGS, st.sampled_from(PLANTED), SURROUNDINGS)
def test_nothing_planted_stays_between_spaces(before: str, planted: str, after: str) -> None:
    redacted = redact(pa.array([f"{before} {planted} {after}"]))[0].as_py()
    assert planted not in redacted


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(FRAGMENTS, max_size=10).map("".join))
def test_twice_is_once_and_nothing_is_found_afterwards(text: str) -> None:
    once = redact(pa.array([text]))
    assert redact(once) == once
    table = measure(Calls(pa.table({"output": once, "input": pa.array([""])})), signals=SIGNALS)
    flags = {name: table[name][0].as_py() for name in table.column_names}
    assert not any(flags.values()), (text, once, flags)


def test_what_is_replaced_covers_exactly_the_original_characters() -> None:
    assert redacted_text(f"é {wide('4111')}\u200b 1111 1111 1111é ½") == "é [card]é ½"
    assert redacted_text("a@b.de,c@d.de") == "[mail],[mail]"
