"""Manifests of what lies on disk: directories, models of MLflow, bills of materials."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from monitor.errors import InputError
from monitor.releases.recording import bill_of_materials, directory, mlflow_model
from monitor.releases.recording.manifest import Input, Manifest, checked

NOW = 1_795_420_800.0
EMPTY = Manifest(client="acme", model="fraud", version="8")
MLMODEL = """\
artifact_path: model
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
  sklearn: {sklearn_version: 1.5.0}
mlflow_version: 3.1.0
model_uuid: 0123456789abcdef
run_id: abcd
signature:
  inputs: '[{"type": "double", "name": "amount", "required": true},
    {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]'
"""


def test_the_digests_of_a_directory_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    contents = {"model.pkl": b"weights", "sub/é\u2028 ü.json": b"{}"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / ".git" / "HEAD").write_text("changes at each commit")
    found = directory.artifact(tmp_path)
    assert found.files["model.pkl"] == hashlib.sha256(b"weights").hexdigest()
    assert len(found.files) == 2
    checked(Manifest(client="acme", model="fraud", version="8", artifact=found), NOW)
    (tmp_path / "model.pkl").write_bytes(b"other")
    assert directory.artifact(tmp_path).sha256 != found.sha256


def test_names_that_are_no_text_pipes_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no files"):
        directory.artifact(tmp_path)
    (tmp_path / os.fsdecode(b"bad-\xff")).write_text("a")
    assert list(directory.artifact(tmp_path).files) == ["bad-\\xff"]
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        directory.artifact(tmp_path)
    (tmp_path / "pipe").unlink()
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="No such file"):
        directory.artifact(tmp_path)
    with pytest.raises(InputError, match="neither a directory nor a file"):
        directory.artifact(tmp_path / "nothing\n")


def test_a_model_of_mlflow_brings_files_packages_and_inputs(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "requirements.txt").write_text(
        "mlflow==3.1.0\nscikit-learn[all]==1.5.0 ; x\n# no\nnumpy>=2\n-r more\n"
    )
    found = mlflow_model.described(tmp_path, EMPTY)
    assert found.runtime.python == "3.11.7"
    assert found.runtime.packages == {"mlflow": "3.1.0", "scikit-learn": "1.5.0"}
    assert found.schema.inputs == (Input("amount", "double"), Input("1", "tensor float32 [-1, 3]"))
    assert found.artifact.files.keys() == {"MLmodel", "requirements.txt"}
    assert "run_id abcd" in found.note
    checked(found, NOW)


@pytest.mark.parametrize(
    "text",
    ["", "- a", "a: [", "signature: {inputs: 'x'}", "signature: {inputs: '{}'}", "a: 1\na: 2", "\x00"],
)
def test_a_broken_model_of_mlflow_is_an_error_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(InputError):
        mlflow_model.described(tmp_path, EMPTY)
    with pytest.raises(InputError, match="has no file MLmodel"):
        mlflow_model.described(tmp_path / "elsewhere", EMPTY)


def bom(folder: Path, **changes: object) -> Path:
    model = {
        "type": "machine-learning-model",
        "name": "fraud",
        "version": "8",
        "hashes": [{"alg": "MD5", "content": "0"}, {"alg": "SHA-256", "content": "a" * 64}],
        "modelCard": {
            "quantitativeAnalysis": {
                "performanceMetrics": [
                    {
                        "type": "auc",
                        "value": "0.91",
                        "confidenceInterval": {"lowerBound": "0.9", "upperBound": "0.92"},
                    },
                    {"type": "f1", "value": "good"},
                    {"type": "f1", "value": "0.8", "slice": "country DE"},
                ]
            }
        },
    }
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"type": "application", "name": "service"}},
        "components": [
            {"type": "library", "name": "numpy", "version": "2.1.0", "purl": "pkg:pypi/numpy@2.1.0"},
            {
                "type": "library",
                "name": "openssl",
                "version": "3.0",
                "purl": "pkg:deb/debian/openssl@3.0?arch=amd64",
            },
            {"type": "container", "name": "fraud", "hashes": [{"alg": "SHA-256", "content": "b" * 64}]},
            model,
        ],
        **changes,
    }
    path = folder / "bom.json"
    path.write_text(json.dumps(content))
    return path


def test_a_bill_of_materials_brings_packages_model_metrics_and_image(tmp_path: Path) -> None:
    found = checked(bill_of_materials.described(bom(tmp_path), EMPTY), NOW)
    assert found.runtime.packages == {"numpy": "2.1.0", "pkg:deb/debian/openssl": "3.0"}
    assert (found.artifact.sha256, found.runtime.image) == ("a" * 64, "b" * 64)
    assert [(one.name, one.value, one.low) for one in found.metrics] == [
        ("auc", 0.91, 0.9),
        ("f1 country DE", 0.8, None),
    ]


def test_what_is_no_bill_of_materials_is_an_error_in_words(tmp_path: Path) -> None:
    two = [{"type": "machine-learning-model", "name": name} for name in "ab"]
    with pytest.raises(InputError, match="several models: a, b"):
        bill_of_materials.described(bom(tmp_path, components=two), EMPTY)
    with pytest.raises(InputError, match="'SPDX', not CycloneDX"):
        bill_of_materials.described(bom(tmp_path, bomFormat="SPDX"), EMPTY)
    with pytest.raises(InputError, match="is not CycloneDX"):
        bill_of_materials.described(bom(tmp_path, components="x"), EMPTY)
    with pytest.raises(InputError, match="No such file"):
        bill_of_materials.described(tmp_path / "none.json", EMPTY)
