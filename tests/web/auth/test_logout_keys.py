"""The provider's keys for logout tokens: read soon enough, not for each token that a stranger sends, and in time."""

import time
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from monitor.web.auth import oidc
from tests.web.auth.test_backchannel_logout import Provider, provider
from tests.web.auth.test_provider import JSON, KEYS, METADATA, Desk

__all__ = ["provider"]


def test_forged_tokens_have_the_keys_read_once_in_ten_seconds(provider: Provider) -> None:
    """Anybody may send them."""
    desk = provider.site.desk
    assert provider.sends().status_code == 200
    stranger = provider.token(key=RSAKey.generate_key(2048, {"kid": "k"}), jti="2")
    for _ in range(30):
        assert provider.sends(stranger).status_code == 400
    assert (desk.asked.count(KEYS), desk.asked.count(METADATA)) == (1, 1)
    provider.site.shop.clock.advance(11)
    for _ in range(30):
        assert provider.sends(stranger).status_code == 400
    assert desk.asked.count(KEYS) == 2


def test_a_new_key_of_the_provider_is_found(provider: Provider) -> None:
    assert provider.sends().status_code == 200
    provider.site.desk.key = RSAKey.generate_key(2048, {"kid": "new"})
    assert provider.sends(jti="2").status_code == 400, "read a moment ago"
    provider.site.shop.clock.advance(11)
    secret = provider.opened()
    assert provider.sends(jti="2").status_code == 200
    assert not provider.is_in(secret)


def test_a_key_that_the_provider_withdrew_is_forgotten(provider: Provider) -> None:
    old = provider.site.desk.key
    assert provider.sends().status_code == 200
    provider.site.desk.key = RSAKey.generate_key(2048, {"kid": "new"})
    provider.site.shop.clock.advance(301)
    assert provider.sends(provider.token({"kid": old.kid}, old, jti="2")).status_code == 400


@pytest.mark.parametrize("path", [METADATA, KEYS])
@pytest.mark.parametrize(
    "answer", [(500, {}, b""), (200, JSON, b"{}"), (200, JSON, b"1" * 3_000_000), (302, {}, b"")]
)
def test_without_the_provider_s_keys_nobody_is_signed_out_and_it_is_not_asked_for_each_token(
    provider: Provider, path: str, answer: Any
) -> None:
    desk, secret = provider.site.desk, provider.opened()
    desk.told[path] = answer
    for _ in range(5):
        assert provider.sends().status_code == 503
    assert desk.asked.count(path) == 1
    assert provider.is_in(secret)
    desk.told.clear()
    provider.site.shop.clock.advance(11)
    assert provider.sends().status_code == 200


def test_the_provider_s_answers_have_one_deadline_together(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "SECONDS", 1.0)
    answer, slow = Desk.answer, []

    def slowly(self: Desk, path: str) -> Any:
        slow.append(path)
        time.sleep(0.7)  # the time that each answer takes: what is tested
        return answer(self, path)

    monkeypatch.setattr(Desk, "answer", slowly)
    assert provider.sends().status_code == 503
    assert slow[:2] == [METADATA, KEYS]
