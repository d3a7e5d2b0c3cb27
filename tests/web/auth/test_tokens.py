"""Tokens that a provider would not give: signed by somebody else, by another algorithm, for another time or reader."""

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from monitor.errors import AccessError
from monitor.web.auth.oidc import Attempt, Provider, Returned
from monitor.web.settings import OidcSettings

pytestmark = pytest.mark.filterwarnings("ignore:Key size should be")
NOW = 1_795_435_200
ISSUER = "https://login.example.org"
GOOD = {"iss": ISSUER, "sub": "ada", "aud": "w", "exp": NOW + 600, "iat": NOW, "nonce": "n", "groups": ["a"]}
OWN, OTHER = (RSAKey.generate_key(2048, {"kid": "k1"}) for _ in range(2))
CURVE = ECKey.generate_key("P-256", {"kid": "e1"})
with warnings.catch_warnings(action="ignore"):
    SHORT = RSAKey.generate_key(1024, {"kid": "short"})
    BY_SHORT = jwt.encode({"alg": "RS256", "kid": "short"}, GOOD, SHORT)
PUBLISHED = {"keys": [one.as_dict(private=False) for one in (OWN, SHORT, CURVE)]}
RS256 = {"alg": "RS256", "kid": "k1"}
ALGORITHMS = ["RS256", "RS512", "PS256", "PS512", "ES256"]


class Told(Provider):
    """A provider whose published keys and answer are given."""

    def __init__(self, token: object, published: object = PUBLISHED) -> None:
        roles: Any = {"a": "admin"}
        super().__init__(OidcSettings(issuer=ISSUER, client_id="w", roles=roles))
        self._token, self._published = token, published

    def _find(self, name: str, client: Any, now: float) -> str:
        return name

    def _read(self, client: Any, now: float) -> Mapping[str, Any]:
        return {}

    def _get(self, client: Any, address: str) -> Mapping[str, Any]:
        return self._published  # type: ignore[return-value]

    def _exchange(self, client: Any, code: str, attempt: Attempt, now: float) -> Mapping[str, Any]:
        return {"access_token": "a", "id_token": self._token}

    def subject(self) -> str:
        attempt = Attempt("s", "n", "v", "/staff/", NOW - 5)
        return self.finish(attempt, Returned("c", "s"), "https://w/cb", NOW).subject


def encoded(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: Mapping[str, Any] = RS256, key: Any = OWN, **changed: Any) -> str:
    claims = {name: value for name, value in (GOOD | changed).items() if value is not None}
    return jwt.encode(dict(header), claims, key, algorithms=ALGORITHMS)


def by_hmac(secret: bytes, header: Mapping[str, Any]) -> str:
    """A token whose signature is a hash with something that everybody knows."""
    signed_part = f"{encoded(header)}.{encoded(GOOD)}"
    return f"{signed_part}.{encoded(hmac.new(secret, signed_part.encode(), hashlib.sha256).digest())}"


PEM = OWN.as_pem(private=False)
GENUINE = signed()
SIGNATURES: dict[str, object] = {
    **{
        f"alg {name}": f"{encoded({'alg': name, 'kid': 'k1'})}.{encoded(GOOD)}."
        for name in ("none", "None", "nOnE")
    },
    "hash with the public key": by_hmac(PEM, {"alg": "HS256", "kid": "k1"}),
    "hash with nothing": by_hmac(b"", {"alg": "HS256", "kid": "k1"}),
    "hash that claims RS256": by_hmac(PEM, RS256),
    "another key of this name": signed(key=OTHER),
    "another key without a name": signed({"alg": "RS256"}, OTHER),
    "RS512": signed({"alg": "RS512", "kid": "k1"}),
    "PS512": signed({"alg": "PS512", "kid": "k1"}),
    "a key that can be computed": BY_SHORT,
    "a kid that is a path": signed({"alg": "RS256", "kid": "../../../../dev/null"}),
    "a kid that is SQL": signed({"alg": "RS256", "kid": "' or 1=1--"}),
    "its own key in the header": signed(RS256 | {"jwk": OTHER.as_dict(private=False)}, OTHER),
    "an address of keys in the header": signed(RS256 | {"jku": "https://evil.example/keys"}, OTHER),
    "a curve for an RSA key": signed({"alg": "ES256", "kid": "k1"}, CURVE),
    "a signature of other claims": ".".join([*signed(groups=["b"]).split(".")[:2], GENUINE.split(".")[2]]),
    **{
        f"typ {kind}": signed(RS256 | {"typ": kind})
        for kind in ("at+jwt", "application/at+JWT", "logout+jwt")
    },
    "cut": GENUINE[:-4],
    "encrypted": f"{encoded({'alg': 'RSA-OAEP', 'enc': 'A128GCM'})}.a.b.c.d",
    "empty": "",
    "no text": 7,
    "none": None,
}
CLAIMS: list[dict[str, Any]] = [
    {"aud": "x"}, {"aud": ["x", "y"]}, {"aud": ["w", "x"], "azp": "x"}, {"azp": "x"}, {"aud": None}, {"aud": []},
    {"aud": "w2"}, {"aud": {"w": 1}}, {"iss": f"{ISSUER}/"}, {"iss": [ISSUER]}, {"iss": None}, {"exp": NOW - 61},
    {"exp": None}, {"exp": "x"}, {"exp": True}, {"nbf": NOW + 600}, {"iat": NOW + 600}, {"iat": None},
    {"nonce": "m"}, {"nonce": None}, {"nonce": ["n"]}, {"sub": None}, {"sub": 7}, {"sub": ""}, {"sub": "x" * 300},
    {"sub": "a\u202eb"}, {"sub": ["ada"]},
]  # fmt: skip


def test_a_genuine_token_is_believed() -> None:
    assert Told(GENUINE).subject() == "ada"
    assert Told(signed({"alg": "ES256", "kid": "e1"}, CURVE)).subject() == "ada"
    assert Told(signed({"alg": "PS256", "kid": "k1"})).subject() == "ada"
    assert Told(signed(RS256 | {"typ": "JWT"})).subject() == "ada"


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_the_provider_has_not_signed_is_not_believed(name: str) -> None:
    with pytest.raises(AccessError):
        Told(SIGNATURES[name]).subject()


@pytest.mark.parametrize("changed", CLAIMS, ids=str)
def test_a_token_of_another_time_reader_issuer_or_nobody_is_not_believed(changed: dict[str, Any]) -> None:
    with pytest.raises(AccessError):
        Told(signed(**changed)).subject()


@pytest.mark.parametrize(
    ("said", "is_for_it"),
    [
        ({"use": "sig"}, True), ({"key_ops": ["verify"]}, True), ({"alg": "RS256"}, True), ({"use": "enc"}, False),
        ({"key_ops": ["encrypt"]}, False), ({"alg": "RSA-OAEP"}, False), ({"alg": "PS256"}, False),
    ],
    ids=str,
)  # fmt: skip
def test_a_key_signs_only_what_it_was_published_for(said: dict[str, object], is_for_it: bool) -> None:
    told = Told(GENUINE, {"keys": [OWN.as_dict(private=False) | said]})
    if is_for_it:
        assert told.subject() == "ada"
    else:
        with pytest.raises(AccessError):
            told.subject()


@pytest.mark.parametrize(
    "published",
    [{"keys": []}, {"keys": None}, {}, {"keys": [{"kty": "oct", "k": encoded(b"secret"), "kid": "k1"}]}],
    ids=str,
)
def test_a_provider_without_keys_signs_nobody_in(published: object) -> None:
    for token in (GENUINE, by_hmac(b"secret", {"alg": "HS256", "kid": "k1"}), by_hmac(b"secret", RS256)):
        with pytest.raises(AccessError):
            Told(token, published).subject()
