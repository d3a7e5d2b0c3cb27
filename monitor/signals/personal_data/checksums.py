"""Check digits."""

_DOUBLED = str.maketrans("0123456789", "0246813579")
"""The digit sum of twice a digit."""


def luhn(digits: str) -> bool:
    """Luhn's formula (ISO/IEC 7812): cards, and Sweden's personal numbers."""
    doubled = digits[-2::-2].translate(_DOUBLED)
    return (sum(map(int, digits[-1::-2])) + sum(map(int, doubled))) % 10 == 0


def mod_97(text: str) -> bool:
    """ISO 7064 mod 97-10 of an IBAN without spaces: the first four characters are moved to the end."""
    turned = text[4:] + text[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1


def mod_11_10(digits: str) -> bool:
    """ISO 7064 mod 11,10: Germany's tax number."""
    product = 10
    for digit in digits[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """The sum of the digits times their weights."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def ean(digits: str) -> bool:
    """The check digit of EAN-13."""
    return weighted(digits, (1, 3) * 7) % 10 == 0
