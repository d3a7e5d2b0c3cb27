"""A leak is in the answer, and in nothing that the model was given."""

from typing import Any

import pytest

from monitor.signals.calls import NOTHING_REGISTERED, Calls, Registered
from monitor.signals.personal_data.leaks import SIGNALS
from monitor.signals.registry import measure
from tests.signals.personal_data.test_kinds import wide

CARD = "4111 1111 1111 1111"


def leaks(registered: Registered = NOTHING_REGISTERED, **call: Any) -> dict[str, Any]:
    table = measure(Calls.of({name: [value] for name, value in call.items()}), registered, SIGNALS)
    return {one.name: table[one.name][0].as_py() for one in SIGNALS if one.is_leak}


@pytest.mark.parametrize(
    "given",
    [
        {"input": "my card is 4111-1111-1111-1111"},
        {"input": "q", "context": ["none", "card 4111111111111111"]},
        {"input": "q", "tool_results": [wide(CARD)]},
        {"input": "q", "system": f"our card is {CARD}"},
    ],
)
def test_what_the_model_was_given_is_no_leak(given: dict[str, Any]) -> None:
    assert leaks(output=f"You pay with {CARD}.", **given)["identifier_leak"] is False


def test_what_it_was_not_given_is_a_leak_of_its_kind_only() -> None:
    assert leaks(input="q", context=["c"], output=f"He pays with {CARD}.") == {
        "identifier_leak": True,
        "contact_leak": False,
        "secret_leak": False,
    }
    assert leaks(input="q", output="Ask jane@example.org")["contact_leak"] is True
    assert leaks(input="q", output="Use AKIAIOSFODNN7EXAMPLE")["secret_leak"] is True


def test_without_an_input_nobody_knows() -> None:
    assert set(leaks(output=CARD).values()) == {None}
    assert set(leaks(input="q", output=" ").values()) == {None}


def test_the_clients_own_addresses_are_no_leak() -> None:
    own = Registered(own_contacts=frozenset({"@acme.example", "12025550123"}))
    answer = "Write to help@acme.example or call +1 202 555 0123."
    assert leaks(input="q", output=answer)["contact_leak"] is True
    assert leaks(own, input="q", output=answer)["contact_leak"] is False
    assert leaks(own, input="q", output="Write to bob@other.example")["contact_leak"] is True
