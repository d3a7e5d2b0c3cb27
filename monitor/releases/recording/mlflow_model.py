"""The manifest of a model that MLflow has saved: a directory with a file `MLmodel`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from monitor.config.yaml_text import load
from monitor.errors import ConfigError, InputError
from monitor.releases.recording.directory import artifact
from monitor.releases.recording.manifest import Input, Manifest, Runtime, Schema
from monitor.visible import visible

_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;#]+)")


def described(path: Path, manifest: Manifest) -> Manifest:
    """`manifest` with the files, the inputs and the packages of the model in the directory `path`.

    Raises:
        InputError: it is not a model of MLflow, or cannot be read.
    """
    file = path / "MLmodel"
    if not file.is_file():
        raise InputError(
            f"{visible(str(path))} has no file MLmodel",
            hint="name the directory that mlflow.*.save_model has written",
        )
    try:
        content, _, problems = load(file)
    except ConfigError as error:
        raise InputError(visible(str(error)), hint="is it a model that MLflow has saved?") from error
    if problems or not isinstance(content, Mapping):
        reason = visible(str(problems[0])) if problems else "it is not a mapping"
        raise InputError(
            f"{visible(str(file))} cannot be read: {reason}", hint="is it a model that MLflow has saved?"
        )
    runtime = Runtime(python=_python(content), packages=_packages(path))
    return msgspec.structs.replace(
        manifest,
        artifact=artifact(path),
        runtime=runtime,
        schema=_schema(content, file),
        note=manifest.note or _about(content),
    )


def _about(content: Mapping[str, Any]) -> str:
    parts = [
        f"{name} {content[name]}" for name in ("model_uuid", "run_id", "mlflow_version") if content.get(name)
    ]
    return ("MLflow: " + ", ".join(parts))[:500] if parts else ""


def _python(content: Mapping[str, Any]) -> str:
    flavors = content.get("flavors")
    function = flavors.get("python_function") if isinstance(flavors, Mapping) else None
    return str(function.get("python_version", "")) if isinstance(function, Mapping) else ""


def _packages(path: Path) -> dict[str, str]:
    """The pinned packages of `requirements.txt`; others have no version to compare."""
    file = path / "requirements.txt"
    if not file.is_file() or file.stat().st_size > 1_000_000:
        return {}
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    return {match[1]: match[2] for line in lines if (match := _PINNED.match(line.strip())) is not None}


def _schema(content: Mapping[str, Any], file: Path) -> Schema:
    """The inputs of the signature: a list in JSON, of columns with a type or of a tensor."""
    signature = content.get("signature")
    written = signature.get("inputs") if isinstance(signature, Mapping) else None
    if not isinstance(written, str):
        return Schema()
    try:
        columns = msgspec.json.decode(written.encode(errors="surrogatepass"), type=list[dict[str, Any]])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(
            f"{visible(str(file))}: signature.inputs is not a list of columns: {error}"
        ) from error
    return Schema(inputs=tuple(_input(column, at) for at, column in enumerate(columns)))


def _input(column: Mapping[str, Any], at: int) -> Input:
    kind = column.get("type", "")
    tensor = column.get("tensor-spec")
    if kind == "tensor" and isinstance(tensor, Mapping):
        kind = f"tensor {tensor.get('dtype', '')} {tensor.get('shape', '')}"
    return Input(str(column.get("name", at)), str(kind))
