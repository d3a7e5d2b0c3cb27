"""Personal data and secrets in a text, to be looked for in whatever is kept or told of it."""

CARD, IBAN, KEY = "4111 1111 1111 1111", "DE89 3704 0044 0532 0130 00", "ghp_" + "a1B2c3D4e5F6" * 3
MAIL = "erika.mustermann@example.org"
PLANTED = (CARD, CARD.replace(" ", ""), IBAN, IBAN.replace(" ", ""), KEY, MAIL)
LEAK = f"Card {CARD}, IBAN {IBAN}, key {KEY}, mail {MAIL}."
