"""The file of a relay: every mistake is told with its place, before anything starts."""

import pytest

from monitor.errors import ConfigError, WatchkeeperError
from monitor.relay.relay import Relay
from monitor.relay.settings import load
from tests.support.relays import KEY, UPSTREAM_KEY, settings_of

GOOD = f"""\
relay:
  folder: buffer
  upstream: {{url: "https://w.example/watch/", key: {UPSTREAM_KEY}}}
  keys:
    line-3: {{client: acme, key: {KEY}}}
"""


def test_a_short_file_is_enough_and_paths_are_relative_to_it(tmp_path):
    file = tmp_path / "relay.yaml"
    file.write_text(GOOD)
    settings = load(file)
    assert settings.folder == str(tmp_path / "buffer")
    assert settings.upstream.url == "https://w.example/watch"
    assert KEY not in repr(settings)
    assert UPSTREAM_KEY not in repr(settings)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("line-3:", "../x:", "5:5: error: relay.keys.../x: is not a valid key name"),
        ("client: acme", "client: a/b", "relay.keys.line-3.client: is not a valid client name"),
        (f"key: {KEY}", "key: short", "relay.keys.line-3.key: is not a valid key"),
        (f"key: {KEY}", f"key: {UPSTREAM_KEY}", "a sender has the same key as the upstream"),
        (f"key: {KEY}}}", f"key: {KEY}}}\n    b: {{client: b, key: {KEY}}}", "two of the keys are equal"),
        ("https://w.example/watch/", "ftp://w.example", "3:14: error: relay.upstream.url: is not an address"),
        ("https://w.example/watch/", "https://user:pw@w.example", "is not an address"),
        ("upstream: {", "upstream: {proxy: nonsense, ", "is not a proxy"),
        ("folder: buffer", "buffer: 10GB\n  kepe: 7d", "relay.kepe: unknown key (did you mean 'keep'?)"),
        ("folder: buffer", "certificate: a.pem", "certificate and private_key must be set together"),
        ("folder: buffer", "listen: here", "2:3: error: relay.listen"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, before, after, told):
    file = tmp_path / "relay.yaml"
    assert before in GOOD
    file.write_text(GOOD.replace(before, after))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert told in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_used_are_told_at_the_start(tmp_path, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    upstream = {"url": "https://w.example", "key": UPSTREAM_KEY, "ca_file": str(file)}
    with pytest.raises(WatchkeeperError, match="ca_file"):
        Relay(settings_of(tmp_path / "buffer", "", upstream=upstream))
