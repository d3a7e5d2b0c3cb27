"""One signal of one call, for tests."""

from typing import Any

from monitor.signals.calls import NOTHING_REGISTERED, Calls, Registered
from monitor.signals.registry import SIGNALS, measure


def value(signal: str, registered: Registered = NOTHING_REGISTERED, **call: Any) -> Any:
    """The value of a signal for a call with these columns."""
    calls = Calls.of({name: [one] for name, one in call.items()})
    wanted = [one for one in SIGNALS if one.name == signal]
    return measure(calls, registered, wanted)[signal][0].as_py()
