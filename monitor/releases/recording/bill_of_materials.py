"""The manifest that a software bill of materials in CycloneDX (JSON) contains."""

import math
from pathlib import Path
from typing import Any

import msgspec

from monitor.errors import InputError
from monitor.releases.recording.manifest import Artifact, Figure, Manifest, Runtime
from monitor.visible import visible

LARGEST = 64_000_000
_HINT = "make one with: cyclonedx-py environment --of JSON -o bom.json"


class _Hash(msgspec.Struct, frozen=True):
    alg: str
    content: str


class _Interval(msgspec.Struct, frozen=True):
    lowerBound: str | float | None = None  # noqa: N815 - a name of CycloneDX
    upperBound: str | float | None = None  # noqa: N815 - a name of CycloneDX


class _Performance(msgspec.Struct, frozen=True):
    type: str = ""
    value: str | float = ""
    slice: str = ""
    confidenceInterval: _Interval = _Interval()  # noqa: N815 - a name of CycloneDX


class _Analysis(msgspec.Struct, frozen=True):
    performanceMetrics: list[_Performance] = []  # noqa: N815 - a name of CycloneDX


class _Card(msgspec.Struct, frozen=True):
    quantitativeAnalysis: _Analysis = _Analysis()  # noqa: N815 - a name of CycloneDX


class _Component(msgspec.Struct, frozen=True):
    type: str
    name: str
    version: str = ""
    purl: str = ""
    hashes: list[_Hash] = []
    modelCard: _Card = _Card()  # noqa: N815 - a name of CycloneDX


class _Metadata(msgspec.Struct, frozen=True):
    component: _Component | None = None


class _Bom(msgspec.Struct, frozen=True):
    bomFormat: str  # noqa: N815 - a name of CycloneDX
    specVersion: str = ""  # noqa: N815 - a name of CycloneDX
    metadata: _Metadata = _Metadata()
    components: list[_Component] = []


def described(path: Path, manifest: Manifest) -> Manifest:
    """`manifest` with the packages, the model's digest and metrics, and the image of a bill of materials.

    Raises:
        InputError: it is not CycloneDX in JSON, or has two models.
    """
    bom = _read(path)
    listed = [*([bom.metadata.component] if bom.metadata.component else []), *bom.components]
    models = [one for one in listed if one.type == "machine-learning-model"]
    if len(models) > 1:
        names = ", ".join(visible(one.name) for one in models[:5])
        raise InputError(
            f"the bill of materials has several models: {names}", hint="record each with its own file"
        )
    packages = {one.name: one.version for one in listed if one.type == "library" and _is_python(one)}
    others = {
        f"{one.purl.partition('@')[0] or one.name}": one.version
        for one in listed
        if one.type in ("library", "framework", "operating-system") and not _is_python(one)
    }
    images = [_sha256(one) for one in listed if one.type == "container" and _sha256(one)]
    runtime = Runtime(packages=packages | others, image=f"sha256:{images[0]}" if len(images) == 1 else "")
    artifact, metrics = Artifact(), manifest.metrics
    for model in models:
        artifact = Artifact(_sha256(model))
        performances = model.modelCard.quantitativeAnalysis.performanceMetrics
        metrics = tuple(
            figure for performance in performances if (figure := _figure(performance)) is not None
        )
    return msgspec.structs.replace(manifest, runtime=runtime, artifact=artifact, metrics=metrics)


def _read(path: Path) -> _Bom:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{visible(str(path))} is larger than {LARGEST:,} bytes", hint=_HINT)
        bom = msgspec.json.decode(path.read_bytes(), type=_Bom)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{visible(str(path))} is not CycloneDX in JSON: {visible(str(error))}", hint=_HINT
        ) from error
    if bom.bomFormat != "CycloneDX":
        raise InputError(
            f"{visible(str(path))} has the format {visible(bom.bomFormat)!r}, not CycloneDX", hint=_HINT
        )
    return bom


def _is_python(component: _Component) -> bool:
    return component.purl.startswith("pkg:pypi/") or not component.purl


def _sha256(component: _Component) -> str:
    digests = [one.content for one in component.hashes if one.alg == "SHA-256"]
    return digests[0] if digests else ""


def _figure(performance: _Performance) -> Figure | None:
    """A metric with its value; None if the value is no number, which CycloneDX allows."""
    value = _number(performance.value)
    if value is None or not performance.type:
        return None
    name = f"{performance.type} {performance.slice}".strip()
    interval = performance.confidenceInterval
    return Figure(name, value, _number(interval.lowerBound), _number(interval.upperBound))


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
