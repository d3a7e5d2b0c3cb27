"""What is found in texts, and what is left alone: published examples of each kind, in several notations."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.signals.personal_data import national_ids
from monitor.signals.personal_data.redaction import redacted_text
from tests.support.thorough import examples


def wide(text: str) -> str:
    """The same digits in full width."""
    return "".join(chr(ord(one) + 0xFEE0) if one.isdigit() else one for one in text)


FOUND = {
    "card": [
        "4111 1111 1111 1111",
        "4111111111111111",
        "4111-1111-1111-1111",
        "3782 822463 10005",
        "5555555555554444",
        "6011 1111 1111 1117",
        "3056 930902 5904",
        wide("4111 1111 1111 1111"),
        "٤١١١١١١١١١١١١١١١",
        "41\u200b11\u00a01111\u20131111 1111",
        "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "4111_1111_1111_1111",
        "4111\n1111\n1111\n1111",
        "4111, 1111, 1111, 1111",
        "4111&nbsp;1111&nbsp;1111&nbsp;1111",
        "".join(f"%3{one}" for one in "4111111111111111"),
        "".join(rf"\u003{one}" for one in "4111111111111111"),
    ],
    "iban": [
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "gb82 west 1234 5698 7654 32",
        "FR14 2004 1010 0505 0001 3M02 606",
        "ES91-2100-0418-4502-0005-1332",
        "NO93 8601 1117 947",
        "MT84MALT011000012345MTLCAST001S",
    ],
    "mail": [
        "jane.doe+x@mail.example.org",
        "o'brien@müller.de",
        "JANE@EXAMPLE.COM",
        "a@xn--bcher-kva.example.de",
    ],
    "phone": [
        "+49 (0)30 1234567",
        "+12025550123",
        "(202) 555-0123",
        "1-202-555-0123",
        "202.555.0123",
        "0049 30 1234567",
        "030/123 45 67",
        "01 23 45 67 89",
        "020 7946 0958",
        "612 34 56 78",
    ],
    "ip": ["8.8.8.8", "2001:4860:4860::8888", "2a00:1450:4001:0828:0000:0000:0000:200e"],
    "national-id": [
        "078-05-1120",
        "AB 12 34 56 C",
        "86095742719",
        "86 095 742 719",
        "2 55 08 14 168 025 38",
        "255081416802538",
        "104012B03300436",
        "12345678Z",
        "X1234567L",
        "X-1234567-L",
        "12.345.678-Z",
        "AB-12-34-56-C",
        "RSS MRA 85T10 A562S",
        "756 1234 5678 97",
        "198112289874",
        "RSSMRA85T10A562S",
        "44051401359",
        "811228-9874",
        "19811228-9874",
        "85.07.30-033.28",
        "756.9217.0769.85",
        "529.982.247-25",
        "131052-308T",
    ],
    "secret": [
        "AKIAIOSFODNN7EXAMPLE",
        "AKIAIOSF\n   ODNN7EXAMPLE",
        " ".join("AKIAIOSFODNN7EXAMPLE"),
        base64.b64encode(b"key=AKIAIOSFODNN7EXAMPLE").decode(),
        b"AKIAIOSFODNN7EXAMPLE".hex(),
        "".join(f"&#{ord(one)};" for one in "AKIAIOSFODNN7EXAMPLE"),
        "ghp_" + "a1B2" * 9,
        "https://admin:hunter2@db.example",
        "xoxb-123456789012-1234567890123-AbCdEf",
        "sk-" + "a" * 20 + "T3BlbkFJ" + "b" * 20,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "aws_secret_access_key = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'",
    ],
}
LEFT = [
    "we paid 1,234,567.89 on 01.12.2020 10:30:45, order 123456789012345",
    "0.4111111111111111",
    "4111 1111 1111 1112",
    "DE88 3704 0044 0532 0130 00",
    "version 1.2.3.4 on 10.0.0.1, 127.0.0.1, 192.168.1.1 and ::1",
    "12:30:45, std::vector<std::string>, aa:bb",
    "2019-2020, 10-12 people, 1/2/2021, 3.14159265358979",
    "@someone wrote a@b and c @ d.de",
    "000-12-3456, 666-12-3456, 987-65-4321",
    "86095742718 44051401358 12345678A X1234567A 756.9217.0769.86 529.982.247-26 131052-308U 811228-9875",
    "https://example.org/a:b@c and git@ and http://localhost:8080/x",
    "The Key to success is a token of love for acme, your Dear password",
    "[card] [mail] [iban] [phone] [ip] [national-id] [secret]",
    "",
]


@pytest.mark.parametrize("kind", FOUND)
def test_each_notation_is_replaced_by_its_kind(kind: str) -> None:
    for value in FOUND[kind]:
        redacted = redacted_text(f"Your data: {value}, thank you")
        assert f"[{kind}]" in redacted, (value, redacted)
        rest = redacted.replace(f"[{kind}]", "")
        assert not any(character.isdigit() or character == "@" for character in rest), redacted


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert redacted_text(text) == text


@settings(max_examples=examples(100), deadline=None)
@given(st.from_regex(national_ids.LETTERS_PREFILTER, fullmatch=True))
def test_nothing_in_the_form_of_an_identifier_stops_the_search(text: str) -> None:
    """A form that has separators where the check of another country has digits did."""
    assert [one.value for one in national_ids.find(f"{text} 12345678Z")][-1] == "12345678Z"
