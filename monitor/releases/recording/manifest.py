"""The manifest of a release: what was released where, by digests. `parse` reads one from JSON.

Only client, model and version are required. Digests are SHA-256, written in hexadecimal with or without `sha256:`.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from monitor.errors import InputError
from monitor.records import Stream
from monitor.text_limits import ENVIRONMENT, LABEL, VERSION_BYTES, flaw_of_name, flaw_of_text, shortened
from monitor.times.reading import HINT, NoTimeError, read
from monitor.visible import visible

LARGEST = 262_144
"""Bytes of a manifest."""
AHEAD = 300.0
"""Seconds by which a release may be ahead of the daemon's clock."""
_PERSON, _NOTE, _SHORT = 256, 2000, 512
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE | re.ASCII)
_IMAGE = re.compile(r"(?:(?:[^\s@]{1,400}@)?sha256:)?([0-9a-f]{64})", re.IGNORECASE | re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{7,64}", re.IGNORECASE | re.ASCII)
_SEPARATORS = re.compile(r"[-_.]+")
Setting = str | float | bool
"""A value of a deployment's configuration."""


class _Section(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of the parts: unknown fields are errors, because a digest under a wrong name would be lost silently."""


class Artifact(_Section, frozen=True):
    """The model itself: one digest, or that of each file."""

    sha256: str = ""
    files: dict[str, str] = {}


class Runtime(_Section, frozen=True):
    """What the model runs on. `image` is a digest, with or without the image's name before it."""

    python: str = ""
    packages: dict[str, str] = {}
    packages_sha256: str = ""
    image: str = ""
    cuda: str = ""


class Input(_Section, frozen=True):
    """One input of the model."""

    name: str
    type: str = ""


class Schema(_Section, frozen=True):
    """The inputs of the model."""

    sha256: str = ""
    inputs: tuple[Input, ...] = ()


class BaselineManifest(_Section, frozen=True, rename={"start": "from", "end": "to"}):
    """The data that the model is compared with."""

    sha256: str = ""
    rows: int | None = None
    start: str = ""
    end: str = ""


class Prompt(_Section, frozen=True):
    """The prompts of a language model."""

    template_sha256: str = ""
    system_sha256: str = ""


class Figure(_Section, frozen=True):
    """A metric that was measured before the release, with its interval."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    n: float | None = None


class Revision(_Section, frozen=True):
    """The revision of the code; `dirty` if files were changed since."""

    commit: str = ""
    dirty: bool = False


class Deployment(_Section, frozen=True):
    """Where and how the model is served, for the comparison of environments."""

    provider: str = ""
    region: str = ""
    endpoint: str = ""
    configuration: dict[str, Setting] = {}
    security: dict[str, Setting] = {}


class Manifest(_Section, frozen=True):
    """A release as it is sent. `released_at` is a time in any format of a record; empty means now."""

    client: str
    model: str
    version: str
    environment: str = "production"
    released_at: str | float = ""
    released_by: str = ""
    note: str = ""
    artifact: Artifact = Artifact()
    runtime: Runtime = Runtime()
    schema: Schema = Schema()
    baseline: BaselineManifest = BaselineManifest()
    rules_sha256: str = ""
    preprocessing_sha256: str = ""
    prompt: Prompt = Prompt()
    metrics: tuple[Figure, ...] = ()
    git: Revision = Revision()
    deployment: Deployment = Deployment()
    flags: tuple[str, ...] = ()
    signature: str = ""

    @property
    def stream(self) -> Stream:
        """The stream that it was released to."""
        return Stream(self.client, self.model, self.environment)


_DECODER = msgspec.json.Decoder(Manifest)
_ENCODER = msgspec.json.Encoder(order="deterministic")
_ABOUT = (
    "client",
    "model",
    "environment",
    "version",
    "released_at",
    "released_by",
    "note",
    "metrics",
    "signature",
)
"""Fields that say nothing about what was released: the digest does not depend on them."""
_FIELDS = ", ".join(Manifest.__struct_fields__)
_HINT = "docs/ingest.md describes a release"


def parse(body: bytes, now: float) -> Manifest:
    """Read a manifest from JSON; digests come back in lower case without `sha256:`.

    `now` is the time of the daemon, in seconds since the epoch.

    Raises:
        InputError: it is not one, or a value is not what its field says.
    """
    if len(body) > LARGEST:
        raise InputError(f"the manifest has {len(body):,} bytes, more than {LARGEST:,}", hint=_HINT)
    try:
        manifest = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = f"the fields are {_FIELDS}" if "unknown field" in str(error) else _HINT
        raise InputError(f"not a release: {visible(str(error))}", hint=hint) from error
    return checked(manifest, now)


def checked(manifest: Manifest, now: float) -> Manifest:
    """The manifest with normalized digests and time.

    Raises:
        InputError: a value is not what its field says.
    """
    for name in ("client", "model"):
        if flaw := flaw_of_name(getattr(manifest, name)):
            raise InputError(f"{name} {flaw}", hint="it is the name that the predictions have")
    if not manifest.version:
        raise InputError("version is empty", hint="send the version that the model's predictions name")
    if len(manifest.version.encode(errors="replace")) > VERSION_BYTES:
        raise InputError(f"version has more than {VERSION_BYTES:,} bytes", hint=_HINT)
    if flaw := flaw_of_name(manifest.environment):
        raise InputError(f"environment {flaw}", hint="development, staging or production")
    limits = {
        "environment": ENVIRONMENT,
        "version": LABEL,
        "released_by": _PERSON,
        "note": _NOTE,
        "signature": 8192,
    }
    for name, most in limits.items():
        _text(name, getattr(manifest, name), most)
    return msgspec.structs.replace(manifest, released_at=_time(manifest.released_at, now), **_parts(manifest))


def digest_of(manifest: Manifest) -> str:
    """The SHA-256 digest of what was released, in hexadecimal."""
    content = {name: value for name, value in msgspec.to_builtins(manifest).items() if name not in _ABOUT}
    return hashlib.sha256(_ENCODER.encode(content)).hexdigest()


def encoded(manifest: Manifest) -> str:
    """The manifest as JSON."""
    return _ENCODER.encode(manifest).decode()


def components(manifest: Manifest) -> dict[str, str]:
    """The digests of what determines the model's answers, by name; those that are unknown are missing."""
    runtime, prompt = manifest.runtime, manifest.prompt
    inputs = [f"{one.name} {one.type}" for one in manifest.schema.inputs]
    known = {
        "artifact.sha256": manifest.artifact.sha256,
        "artifact.files": _of_lines(f"{digest}  {name}" for name, digest in manifest.artifact.files.items()),
        "runtime.python": runtime.python,
        "runtime.packages": _of_lines(
            f"{package(name)}=={version}" for name, version in runtime.packages.items()
        ),
        "runtime.packages_sha256": runtime.packages_sha256,
        "runtime.image": runtime.image,
        "schema.sha256": manifest.schema.sha256,
        "schema.inputs": _of_lines(inputs),
        "preprocessing_sha256": manifest.preprocessing_sha256,
        "prompt.template_sha256": prompt.template_sha256,
        "prompt.system_sha256": prompt.system_sha256,
        "git.commit": manifest.git.commit,
    }
    return {name: value for name, value in known.items() if value}


def contradictions(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """The names of components that both have and that differ. A short commit equals the long one that it begins."""
    return [name for name in one if name in other and not _is_same(name, one[name], other[name])]


def differing(several: Iterable[Mapping[str, str]]) -> set[str]:
    """The names of components in which any two of several manifests differ, in a time that grows with their number.

    Short commits that all begin a long one equal each other as well, so each is compared with the longest only.
    """
    values: dict[str, set[str]] = {}
    for one in several:
        for name, value in one.items():
            values.setdefault(name, set()).add(value)
    longest = {name: max(known, key=len) for name, known in values.items()}
    return {
        name for name, known in values.items() if any(not _is_same(name, longest[name], one) for one in known)
    }


def package(name: str) -> str:
    """The normalized name of a Python package (PEP 503)."""
    return _SEPARATORS.sub("-", name).lower()


def _is_same(name: str, one: str, other: str) -> bool:
    if name == "git.commit":
        shorter, longer = sorted((one, other), key=len)
        return longer.startswith(shorter)
    return one == other


def _of_lines(lines: Any) -> str:
    """The digest of lines in any order; empty without lines."""
    text = "".join(f"{line}\n" for line in sorted(lines))
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _parts(manifest: Manifest) -> dict[str, Any]:
    artifact, runtime, prompt, git = manifest.artifact, manifest.runtime, manifest.prompt, manifest.git
    for where in ("artifact", "runtime", "schema", "baseline", "deployment", "metrics", "flags"):
        _texts(where, msgspec.to_builtins(getattr(manifest, where)))
    if (manifest.baseline.rows or 0) < 0:
        raise InputError(f"baseline.rows is {manifest.baseline.rows}, below zero", hint=_HINT)
    replace = msgspec.structs.replace
    return {
        "artifact": replace(
            artifact,
            sha256=_sha256("artifact.sha256", artifact.sha256),
            files={name: _sha256(f"artifact.files.{name}", value) for name, value in artifact.files.items()},
        ),
        "runtime": replace(
            runtime,
            packages_sha256=_sha256("runtime.packages_sha256", runtime.packages_sha256),
            image=_matched("runtime.image", runtime.image, _IMAGE, "an image's digest: [name@]sha256:..."),
        ),
        "schema": replace(manifest.schema, sha256=_sha256("schema.sha256", manifest.schema.sha256)),
        "baseline": replace(manifest.baseline, sha256=_sha256("baseline.sha256", manifest.baseline.sha256)),
        "rules_sha256": _sha256("rules_sha256", manifest.rules_sha256),
        "preprocessing_sha256": _sha256("preprocessing_sha256", manifest.preprocessing_sha256),
        "prompt": Prompt(
            _sha256("prompt.template_sha256", prompt.template_sha256),
            _sha256("prompt.system_sha256", prompt.system_sha256),
        ),
        "git": replace(git, commit=_commit(git.commit)),
    }


def _sha256(name: str, value: str) -> str:
    return _matched(name, value, _SHA256, "a SHA-256 digest: 64 hexadecimal digits")


def _commit(value: str) -> str:
    if value and not _COMMIT.fullmatch(value):
        raise InputError(
            f"git.commit is {_shown(value)}, not 7 to 64 hexadecimal digits", hint="use: git rev-parse HEAD"
        )
    return value.lower()


def _matched(name: str, value: str, pattern: re.Pattern[str], what: str) -> str:
    if not value:
        return ""
    match = pattern.fullmatch(value)
    if match is None:
        raise InputError(
            f"{visible(shortened(name))} is {_shown(value)}, not {what}", hint="use: sha256sum FILE"
        )
    return match[1].lower()


def _texts(name: str, value: Any) -> None:
    """Check every text of a part, also the keys of its objects."""
    if isinstance(value, str):
        _text(name, value, _SHORT)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _text(f"a name in {name}", key, _SHORT)
            _texts(f"{name}.{key}", inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _texts(f"{name}[{index}]", inner)


def _text(name: str, value: str, most: int) -> None:
    where = visible(shortened(name))
    if flaw := flaw_of_text(value):
        raise InputError(f"{where} {flaw}", hint="remove the character")
    if len(value) > most:
        raise InputError(f"{where} has {len(value):,} characters, more than {most:,}", hint=_HINT)


def _time(value: str | float, now: float) -> float:
    if value == "":
        return now
    try:
        at = read(value).micros / 1e6
    except NoTimeError as error:
        raise InputError(f"released_at is {_shown(str(value))}, not a time", hint=f"use {HINT}") from error
    if at > now + AHEAD:
        ahead = f"released_at is {at - now:,.0f} s ahead of the daemon's clock"
        raise InputError(ahead, hint="correct the sender's clock, or leave the field out")
    return at


def _shown(value: str) -> str:
    return visible(repr(shortened(value)))
