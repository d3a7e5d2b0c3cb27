"""The section `answers` of a model: what belongs to the client, and what tokens cost."""

import re
from typing import Any

from pydantic import Field

from monitor.config.sections import RealNumber, Section
from monitor.predictions.texts import lazy_signals

_TELEPHONE = re.compile(r"[+(]?[\d\s()/.-]{5,}")


class AnswerSettings(Section):
    """The answers of a language model: what they may name, and what tokens cost."""

    own_contacts: tuple[str, ...] = ()
    """The client's own email addresses, phone numbers and domains (`@acme.example`), which answers may name."""
    input_price: RealNumber | None = Field(default=None, ge=0)
    """Price of a million tokens of input, in your currency. With `output_price`, the signal `cost` is measured."""
    output_price: RealNumber | None = Field(default=None, ge=0)
    """Price of a million tokens of answers."""
    cached_price: RealNumber | None = Field(default=None, ge=0)
    """Price of a million tokens of input from the cache; without it, that of other input."""

    @property
    def contacts(self) -> frozenset[str]:
        """The contacts as they are compared: in lower case, telephone numbers as digits."""
        return frozenset(
            "".join(filter(str.isdigit, own_contact))
            if _TELEPHONE.fullmatch(own_contact)
            else own_contact.lower()
            for own_contact in self.own_contacts
        )

    @property
    def prices(self) -> Any:
        """The `Prices` of tokens; None unless both are known."""
        if self.input_price is None or self.output_price is None:
            return None
        return lazy_signals.calls().Prices(self.input_price, self.output_price, self.cached_price)


NOTHING = AnswerSettings()
