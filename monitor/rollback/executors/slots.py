"""Texts of the configuration with slots for the names of an order, such as `{version}`."""

import re
from collections.abc import Iterable, Mapping

from monitor.rollback.executors.executor import ExecutorError
from monitor.rollback.order import Order

SLOTS = ("client", "model", "environment", "version", "other", "action", "id")
_SLOT = re.compile(r"\{(\w+)\}")
_SAFE = re.compile(r"[A-Za-z0-9._:][A-Za-z0-9._:-]{0,127}")
"""What a slot may hold: no slash, space or quote, and no dash in front. Pipelines put inputs into shells as well."""


def has_slot(text: str) -> bool:
    """Whether a text has any slot."""
    return _SLOT.search(text) is not None


def check_slots(texts: Iterable[str]) -> None:
    """Check the slots of texts.

    Raises:
        ValueError: a slot does not exist, or a text contains a NUL character.
    """
    for text in texts:
        for slot in _SLOT.findall(text):
            if slot not in SLOTS:
                msg = f"there is no {{{slot}}} (use {', '.join(f'{{{name}}}' for name in SLOTS)})"
                raise ValueError(msg)
        if "\0" in text:
            msg = "contains a NUL character"
            raise ValueError(msg)


def filled(texts: Iterable[str], order: Order) -> list[str]:
    """The texts with their slots filled in.

    Raises:
        ExecutorError: a name of the order contains a character that could be taken for something else.
    """
    values = _values(order)
    texts = list(texts)
    for name in sorted({slot for text in texts for slot in _SLOT.findall(text)}):
        if not _SAFE.fullmatch(values[name]):
            shown = repr(values[name][:80])
            msg = (
                f"the {name} {shown} is not passed on: it has characters other than letters, digits and ._:-"
            )
            raise ExecutorError(msg, is_certain=True)
    return [_SLOT.sub(lambda slot: values[slot[1]], text) for text in texts]


def filled_values(texts: Mapping[str, str], order: Order) -> dict[str, str]:
    """The mapping with the slots of its values filled in.

    Raises:
        ExecutorError: as `filled`.
    """
    return dict(zip(texts, filled(texts.values(), order), strict=True))


def shown(text: str, order: Order) -> str:
    """The text with its slots filled in, or as it is written where a name must not be filled in."""
    try:
        return filled([text], order)[0]
    except ExecutorError:
        return text


def _values(order: Order) -> dict[str, str]:
    return {
        "client": order.client,
        "model": order.model,
        "environment": order.environment,
        "version": order.version,
        "other": order.other,
        "action": order.kind,
        "id": order.id,
    }
