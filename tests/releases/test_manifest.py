"""Manifests of releases: what is accepted, what a digest depends on, and which releases contradict each other."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.releases.recording import manifest as manifests
from monitor.releases.recording.manifest import (
    LARGEST,
    components,
    contradictions,
    differing,
    digest_of,
    encoded,
    parse,
)
from tests.support.thorough import examples

NOW = 1_795_420_800.0
A, B = "a" * 64, "b" * 64
FULL: dict[str, Any] = {
    "client": "acme",
    "model": "fraud",
    "environment": "staging",
    "version": "8",
    "released_at": "2026-11-23T08:00:00Z",
    "released_by": "kim",
    "note": "retrained on October",
    "artifact": {"sha256": f"sha256:{A.upper()}", "files": {"model.pkl": A}},
    "runtime": {
        "python": "3.11.7",
        "packages": {"scikit_learn": "1.5.0", "numpy": "2.1.0"},
        "image": f"registry/fraud@sha256:{B}",
        "cuda": "12.4",
    },
    "schema": {"inputs": [{"name": "amount", "type": "double"}]},
    "baseline": {"sha256": B, "rows": 1000, "from": "2026-10-01", "to": "2026-11-01"},
    "rules_sha256": A,
    "preprocessing_sha256": B,
    "prompt": {"template_sha256": A},
    "metrics": [{"name": "roc_auc", "value": 0.91, "low": 0.9, "high": 0.92, "n": 5000}],
    "git": {"commit": "4C1E2A7", "dirty": False},
    "deployment": {"provider": "aws", "region": "eu-central-1", "security": {"tls": "1.3", "mtls": True}},
    "flags": ["migration"],
}
SMALL = {"client": "acme", "model": "fraud", "version": "8"}


def read(**changes: Any) -> Any:
    return parse(json.dumps({**SMALL, **changes}).encode(), NOW)


def test_a_full_manifest_is_read_with_its_digests_in_one_notation() -> None:
    manifest = parse(json.dumps(FULL).encode(), NOW)
    assert (manifest.artifact.sha256, manifest.runtime.image, manifest.git.commit) == (A, B, "4c1e2a7")
    assert manifest.released_at == 1_795_420_800.0
    assert parse(encoded(manifest).encode(), NOW) == manifest


def test_a_manifest_without_a_time_is_released_now() -> None:
    assert read().released_at == NOW


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": ""}, "version is empty"),
        ({"version": None}, "not a release"),
        ({"version": 8}, "not a release"),
        ({"version": "x" * 513}, "version has 513 characters"),
        ({"version": "é" * 513}, "version has more than 1,024 bytes"),
        ({"client": "a/b"}, "client contains a slash"),
        ({"client": ".."}, "client is a path"),
        ({"model": "fraud\u202e"}, "model contains a character that cannot be seen"),
        ({"environment": ""}, "environment is empty"),
        ({"environment": "x" * 33}, "environment has 33 characters"),
        ({"artifact": {"sha256": "abc"}}, "artifact.sha256 is 'abc', not a SHA-256 digest"),
        ({"artifact": {"sha256": f"md5:{A}"}}, "not a SHA-256 digest"),
        ({"artifact": {"sha256": A + "\n"}}, "not a SHA-256 digest"),
        ({"artifact": {"files": {"m\u2028": "0"}}}, r"artifact.files.m\u2028 is '0'"),
        ({"artifact": {"files": {"m": A, "n\0": A}}}, "contains a NUL character"),
        ({"artefact": {"sha256": A}}, "unknown field `artefact`"),
        ({"runtime": {"image": "fraud:latest"}}, "not an image's digest"),
        ({"runtime": {"packages": {"numpy": "x" * 600}}}, "runtime.packages.numpy has 600 characters"),
        ({"git": {"commit": "main"}}, "git.commit is 'main'"),
        ({"baseline": {"rows": -1}}, "baseline.rows is -1"),
        ({"released_at": NOW + 301}, "301 s ahead of the daemon's clock"),
        ({"released_at": "yesterday"}, "released_at is 'yesterday', not a time"),
        ({"released_by": "x" * 257}, "released_by has 257 characters"),
        ({"note": "a\0b"}, "note contains a NUL character"),
        ({"flags": ["x" * 600]}, "has 600 characters"),
    ],
)  # fmt: skip
def test_a_manifest_with_a_mistake_is_refused_in_words(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        read(**changes)
    assert says in refused.value.message
    assert refused.value.message.isprintable()
    assert refused.value.hint


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"8", b"{", b"\xff\xfe", b'{"client": "\xed\xa0\x80"}', b"[" * 100_000, b" " * (LARGEST + 1),
     b'{"client": "acme", "model": "fraud", "version": "8", "metrics": [{"name": "a", "value": 1e999}]}'],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        parse(body, NOW)


def test_the_digest_is_of_what_was_released_and_not_of_who_released_it() -> None:
    one = read(artifact={"sha256": A})
    for changes in (
        {"released_by": "kim"}, {"note": "again"}, {"released_at": NOW - 60}, {"environment": "staging"},
        {"version": "9"}, {"metrics": [{"name": "auc", "value": 0.9}]}, {"artifact": {"sha256": A}},
    ):  # fmt: skip
        assert digest_of(read(**({"artifact": {"sha256": A}} | changes))) == digest_of(one), changes
    for other in ({"artifact": {"sha256": B}}, {"artifact": {"sha256": A}, "git": {"commit": "abcdef0"}}):
        assert digest_of(read(**other)) != digest_of(one)


files = st.dictionaries(
    st.text(min_size=1, max_size=5).filter(lambda name: "\0" not in name), st.sampled_from([A, B])
)


@settings(max_examples=examples(40), deadline=None)
@given(files, st.randoms(use_true_random=False))
def test_law_the_order_of_files_and_packages_changes_nothing(some: dict[str, str], random: Any) -> None:
    shuffled = list(some.items())
    random.shuffle(shuffled)
    one, other = read(artifact={"files": some}), read(artifact={"files": dict(shuffled)})
    assert (digest_of(one), components(one)) == (digest_of(other), components(other))


known = st.dictionaries(
    st.sampled_from(["artifact.sha256", "git.commit", "runtime.image"]), st.sampled_from([A, B, A[:7]])
)


@settings(max_examples=examples(60), deadline=None)
@given(known, known)
def test_law_contradiction_is_mutual_and_needs_what_both_know(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert sorted(contradictions(one, other)) == sorted(contradictions(other, one))
    assert contradictions(one, one) == []
    assert set(contradictions(one, other)) <= one.keys() & other.keys()


def test_a_short_commit_is_the_long_one_that_it_begins() -> None:
    assert contradictions({"git.commit": A[:7]}, {"git.commit": A}) == []
    assert contradictions({"git.commit": B[:7]}, {"git.commit": A}) == ["git.commit"]


def test_an_announcement_without_digests_contradicts_nothing() -> None:
    assert contradictions(components(read()), components(parse(json.dumps(FULL).encode(), NOW))) == []


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(("a", "git.commit")), st.sampled_from((A, A[:7], A[:9], B)))))
def test_several_differ_where_any_two_of_them_do(several: list[dict[str, str]]) -> None:
    pairs = {name for one in several for other in several for name in contradictions(one, other)}
    assert differing(several) == pairs


def test_a_thousand_releases_of_one_version_are_compared_in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []
    monkeypatch.setattr(manifests, "_is_same", lambda name, _one, _other: bool(compared.append(name)) or True)
    differing([{"a": str(number), "git.commit": str(number)} for number in range(1000)])
    assert len(compared) <= 2000
