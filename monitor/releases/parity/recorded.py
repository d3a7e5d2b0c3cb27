"""Compares what the manifests of two releases say: provider, versions, configuration, endpoints, security. Pure."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from monitor.releases.parity.row import ParityLevel, ParityRow, ParityStanding
from monitor.releases.parity.side import EnvironmentState

PROVIDER, VERSIONS, ENDPOINTS, SECURITY = (
    "provider and region", "versions and configuration", "endpoints", "security controls",
)  # fmt: skip
_SEND = "send {} in POST /v1/releases"
_POINTS = {"deployment.provider": PROVIDER, "deployment.region": PROVIDER, "deployment.endpoint": ENDPOINTS}
_EXPECTED = (
    "deployment.provider", "deployment.region", "artifact.sha256", "runtime.python", "runtime.image", "git.commit",
    "preprocessing_sha256", "rules_sha256", "baseline.sha256",
)  # fmt: skip
_GROUPS = (
    ("deployment.security", SECURITY), ("deployment.configuration", VERSIONS), ("runtime.packages", VERSIONS),
    ("artifact.files", VERSIONS), ("schema.inputs", "schema"), ("prompt", VERSIONS),
)  # fmt: skip
_OPTIONAL = frozenset({"artifact.files", "schema.inputs", "prompt"})
_LEAST_SHOWN = frozenset(
    {"deployment.security", "deployment.configuration", "deployment.provider", "deployment.region"}
)


def rows(left: EnvironmentState, right: EnvironmentState) -> Iterator[ParityRow]:
    """A row for each fact that a manifest should have, and one for each member of a group that differs."""
    yield _versions(left, right)
    for name in _EXPECTED:
        level = ParityLevel.EQUIVALENT if name in _LEAST_SHOWN else ParityLevel.IDENTICAL
        yield _fact(_POINTS.get(name, VERSIONS), name, level, left.facts, right.facts)
    yield _endpoint(left.facts, right.facts)
    for prefix, point in _GROUPS:
        yield from _group(point, prefix, left.facts, right.facts)


def _versions(left: EnvironmentState, right: EnvironmentState) -> ParityRow:
    name, shown = "versions", (", ".join(left.versions), ", ".join(right.versions))
    if not all(shown):
        note = "send the field version in each prediction"
        return ParityRow(VERSIONS, name, ParityLevel.EQUIVALENT, ParityStanding.UNKNOWN, *shown, note)
    is_equal = left.versions == right.versions
    standing = ParityStanding.EQUAL if is_equal else ParityStanding.DIFFERS
    return ParityRow(
        VERSIONS, name, ParityLevel.EQUIVALENT, standing, *shown, "" if is_equal else "other versions answer"
    )


def _fact(
    point: str, name: str, level: ParityLevel, left: Mapping[str, str], right: Mapping[str, str]
) -> ParityRow:
    one, other = left.get(name, ""), right.get(name, "")
    if not one or not other:
        return ParityRow(point, name, level, ParityStanding.UNKNOWN, one, other, _SEND.format(name))
    return ParityRow(
        point, name, level, ParityStanding.EQUAL if one == other else ParityStanding.DIFFERS, one, other
    )


def _endpoint(left: Mapping[str, str], right: Mapping[str, str]) -> ParityRow:
    """Hosts of two environments always differ; protocol and path should not."""
    row = _fact(ENDPOINTS, "deployment.endpoint", ParityLevel.EQUIVALENT, left, right)
    if row.standing is not ParityStanding.DIFFERS:
        return row
    try:
        one, other = (urlsplit(text) for text in (row.left, row.right))
        is_alike = (one.scheme, one.path) == (other.scheme, other.path) and bool(one.scheme)
    except ValueError:
        is_alike = False
    note = "another host, the same protocol and path" if is_alike else "another protocol or path"
    standing = ParityStanding.AGREED if is_alike else ParityStanding.DIFFERS
    return ParityRow(row.point, row.name, row.level, standing, row.left, row.right, note)


def _group(point: str, prefix: str, left: Mapping[str, str], right: Mapping[str, str]) -> Iterator[ParityRow]:
    """The members that differ; one row if none does."""
    level = ParityLevel.EQUIVALENT if prefix != "artifact.files" else ParityLevel.IDENTICAL
    one, other = (
        {name: value for name, value in side.items() if name.startswith(f"{prefix}.")}
        for side in (left, right)
    )
    if not one or not other:
        if (one or other) or prefix not in _OPTIONAL:
            known = (f"{len(one)} known" if one else "", f"{len(other)} known" if other else "")
            yield ParityRow(point, prefix, level, ParityStanding.UNKNOWN, *known, _SEND.format(prefix))
        return
    differing = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    for name in differing:
        yield ParityRow(
            point, name, level, ParityStanding.DIFFERS, one.get(name, "none"), other.get(name, "none")
        )
    if not differing:
        yield ParityRow(
            point, prefix, level, ParityStanding.EQUAL, f"{len(one)} equal", f"{len(other)} equal"
        )
