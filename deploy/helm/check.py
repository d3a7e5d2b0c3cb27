"""Lints and renders the chart with Helm for each file in ci/, validates the objects by the schemas of Kubernetes, and
makes sure that each file in refused/ is refused.

Run by `make chart-check`. Helm is the C library of the package helm-python-sdk.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import jsonschema
import kubernetes_validate
import yaml

HERE = Path(__file__).parent
CHART = HERE / "watchkeeper"
RULES = HERE.parents[1] / "dashboards" / "prometheus" / "watchkeeper-rules.yaml"
VERSIONS = ("1.27", "1.33")
TEXT = {"type": "string", "minLength": 1}
MONITORING = {
    "ServiceMonitor": {
        "required": ["selector", "endpoints"],
        "properties": {
            "endpoints": {
                "minItems": 1,
                "items": {
                    "required": ["port", "authorization"],
                    "properties": {
                        "port": TEXT,
                        "path": TEXT,
                        "interval": TEXT,
                        "honorLabels": {"type": "boolean"},
                        "authorization": {
                            "required": ["credentials"],
                            "properties": {
                                "credentials": {
                                    "required": ["name", "key"],
                                    "properties": {"name": TEXT, "key": TEXT},
                                }
                            },
                        },
                    },
                },
            }
        },
    },
    "PrometheusRule": {
        "required": ["groups"],
        "properties": {
            "groups": {
                "minItems": 1,
                "items": {
                    "required": ["name", "rules"],
                    "properties": {
                        "rules": {
                            "items": {
                                "required": ["expr"],
                                "oneOf": [{"required": ["alert"]}, {"required": ["record"]}],
                                "properties": {
                                    "expr": TEXT,
                                    "labels": {"additionalProperties": {"type": "string"}},
                                },
                            }
                        }
                    },
                },
            }
        },
    },
}


def rendered(values: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects that Helm makes of the chart."""
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values, name=name, namespace="watch")
    texts = [text for path, text in files.items() if not path.endswith("NOTES.txt")]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def problems(values: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the chart for these values."""
    linted = helm_python.lint(CHART, values, strict=True)
    for message in linted.get("messages", linted.get("Messages", [])) if isinstance(linted, dict) else []:
        if str(message.get("severity", message.get("Severity", ""))).lower() not in ("info", "1"):
            yield f"helm lint: {message}"
    for name in ("a", "watchkeeper", "x" * 53):
        objects = rendered(values, name)
        for one in objects:
            yield from flaws(one)
        identities = [(one["kind"], one["metadata"]["name"]) for one in objects]
        if len(set(identities)) != len(identities):
            yield f"two objects have one name: {identities}"


def flaws(one: dict[str, Any]) -> Iterator[str]:
    """What is wrong with one object."""
    where = f"{one['kind']} {one['metadata']['name']}"
    if len(one["metadata"]["name"]) > 63:
        yield f"{where}: the name is too long"
    if one["kind"] in MONITORING:
        validator = jsonschema.Draft202012Validator(MONITORING[one["kind"]])
        yield from (f"{where}: {error.message}" for error in validator.iter_errors(one["spec"]))
    else:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                yield f"{where}: Kubernetes {version}: {error.message}"
    if one["kind"] in ("Deployment", "StatefulSet"):
        pod = one["spec"]["template"]["spec"]
        own = pod["containers"][0]["securityContext"]
        if not (pod["securityContext"]["runAsNonRoot"] and own["readOnlyRootFilesystem"]):
            yield f"{where}: it has rights to spare"
        mounted = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        known = {volume["name"] for volume in pod["volumes"]}
        known |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        if mounted != known:
            yield f"{where}: volumes {sorted(known)}, mounts {sorted(mounted)}"


def is_refused(values: dict[str, Any]) -> bool:
    """Whether Helm refuses these values."""
    try:
        rendered(values, "a")
    except helm_python.HelmError:
        return True
    return False


def main() -> int:
    """Check everything; the number of mistakes is the exit code."""
    failed = []
    if (CHART / "files" / RULES.name).read_bytes() != RULES.read_bytes():
        failed.append(f"files/{RULES.name} is not that of {RULES.parent.name}/: copy it")
    accepted = sorted(CHART.glob("ci/*-values.yaml"))
    for path in accepted:
        failed += [f"{path.name}: {problem}" for problem in problems(yaml.safe_load(path.read_text()) or {})]
    refused = sorted(HERE.glob("refused/*.yaml"))
    failed += [
        f"{path.name}: is not refused" for path in refused if not is_refused(yaml.safe_load(path.read_text()))
    ]
    for line in dict.fromkeys(failed):
        print(line, file=sys.stderr)
    total = len(accepted) + len(refused) + 1
    print(f"{total - min(total, len(failed))} passed, {len(failed)} failed")
    return min(len(failed), 100)


if __name__ == "__main__":
    sys.exit(main())
