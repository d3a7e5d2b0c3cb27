"""A strict stand-in for the API server of Kubernetes: Deployments, replica sets and Rollouts of one namespace."""

from typing import Any

from tests.support.stand_in import Asked, Reply

TOKEN = "ey.token"
LABEL = "app.kubernetes.io/version"
APPS, ARGO = "/apis/apps/v1/namespaces/ml", "/apis/argoproj.io/v1alpha1/namespaces/ml"


def template(version: str, **labels: str) -> dict[str, Any]:
    """A pod template of a version."""
    return {
        "metadata": {"labels": {"app": "fraud", LABEL: version, **labels}},
        "spec": {"containers": [{"name": "model", "image": f"fraud:{version}"}]},
    }


class Cluster:
    """Refuses what the real one refuses: unknown tokens, kinds of patches, failed tests, templates without labels."""

    def __init__(self, *, has_status: bool = True) -> None:
        self.has_status = has_status
        self.resources: dict[str, dict[str, Any]] = {}
        self.sets: list[dict[str, Any]] = []
        self.version = 100

    def deployment(self, versions: list[str]) -> str:
        """A Deployment with these versions as revisions, the last one running; its path."""
        self.sets = [
            {
                "metadata": {
                    "annotations": {"deployment.kubernetes.io/revision": str(number)},
                    "ownerReferences": [{"uid": "d-1"}],
                },
                "spec": {"template": template(version, **{"pod-template-hash": f"h{number}"})},
            }
            for number, version in enumerate(versions, 1)
        ]
        path = f"{APPS}/deployments/fraud"
        self.resources[path] = {
            "metadata": {"name": "fraud", "uid": "d-1", "resourceVersion": "100"},
            "spec": {"selector": {"matchLabels": {"app": "fraud"}}, "template": template(versions[-1])},
        }
        return path

    def rollout(self, version: str, phase: str) -> str:
        """A Rollout of Argo; its path."""
        path = f"{ARGO}/rollouts/fraud"
        self.resources[path] = {
            "metadata": {"name": "fraud", "resourceVersion": "100"},
            "spec": {"template": template(version)},
            "status": {"phase": phase},
        }
        return path

    def running(self, path: str) -> str:
        """The version in the template of a resource."""
        return str(self.resources[path]["spec"]["template"]["metadata"]["labels"][LABEL])

    def answer(self, asked: Asked) -> Reply:  # noqa: C901 - a server with all its refusals
        """One request."""
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return _status(401, "Unauthorized")
        if asked.path == f"{APPS}/replicasets" and asked.method == "GET":
            if asked.query.get("labelSelector") != "app=fraud":
                return Reply(200, {"items": []})
            return Reply(200, {"items": self.sets})
        path, _, sub = asked.path.partition("/status")
        if path not in self.resources or (asked.path.endswith("/status") and not self.has_status):
            return _status(404, f"{asked.path} not found")
        if asked.method == "GET":
            return Reply(200, self.resources[path])
        if asked.method != "PATCH":
            return _status(405, "MethodNotAllowed")
        kind = asked.headers.get("content-type")
        if kind == "application/merge-patch+json":
            change = asked.json()
            if sub == "" and self.has_status and asked.path.endswith("/status"):
                change = {"status": change.get("status", {})}
            elif self.has_status:
                change.pop("status", None)  # only the subresource changes it
            _merge(self.resources[path], change)
        elif kind == "application/json-patch+json":
            if refused := self._patch(self.resources[path], asked.json()):
                return _status(422, refused)
        else:
            return _status(415, f"the body of the request was in an unknown format: {kind}")
        self.version += 1
        self.resources[path]["metadata"]["resourceVersion"] = str(self.version)
        return Reply(200, self.resources[path])

    @staticmethod
    def _patch(resource: dict[str, Any], operations: list[dict[str, Any]]) -> str:
        for one in operations:
            *parents, last = one["path"].strip("/").split("/")
            at = resource
            for part in parents:
                at = at[part]
            if one["op"] == "test" and at.get(last) != one["value"]:
                return "the server rejected our request due to an error in our request: test failed"
            if one["op"] == "replace":
                labels = one["value"]["metadata"]["labels"]
                if labels.get("app") != "fraud":
                    return "`selector` does not match template `labels`"
                if "pod-template-hash" in labels:
                    return "a template with the hash of a replica set"
                at[last] = one["value"]
        return ""


def _merge(target: dict[str, Any], change: dict[str, Any]) -> None:
    for name, value in change.items():
        if isinstance(value, dict):
            _merge(target.setdefault(name, {}), value)
        elif value is None:
            target.pop(name, None)
        else:
            target[name] = value


def _status(code: int, message: str) -> Reply:
    return Reply(code, {"kind": "Status", "status": "Failure", "message": message, "code": code})
