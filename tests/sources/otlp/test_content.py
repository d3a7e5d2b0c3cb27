"""The texts of messages, beside a plain way to find them."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.sources.otlp.content import characters
from monitor.sources.otlp.messages import text_of
from tests.support.thorough import examples

MESSAGES = st.recursive(
    st.text(max_size=3) | st.none() | st.integers(0, 3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("role", "type", "content", "parts", "text")), inner, max_size=3)
    ),
    max_leaves=12,
)


def written(value):
    """The texts in a value, in order."""
    if isinstance(value, str):
        return [value] * bool(value)
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [text for name, one in members if name not in ("role", "type") for text in written(one)]


@given(MESSAGES)
@example({"parts": [{"type": "text", "content": "a"}], "content": "b"})
@example({"parts": [{"type": "text", "content": "a"}, {"type": "text", "content": "b"}]})
@example({"parts": [{"text": "a", "content": "b"}], "role": "user"})
@example([{"role": "user", "parts": [{"type": "text", "content": "a"}]}, {"role": "user", "content": "b"}])
@settings(max_examples=examples(100), deadline=None)
def test_all_texts_of_messages_count_in_any_form(value):
    assert text_of(value) == "\n".join(written(value))
    assert characters(value) == sum(map(len, written(value)))
