"""A Deployment of Kubernetes: what `kubectl rollout undo` does, by the API."""

import json
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from monitor.rollback.executors.calls import OrderCalls, inside
from monitor.rollback.executors.clusters.kubernetes_api import (
    JSON_PATCH,
    MERGE,
    KubernetesApi,
    KubernetesSettings,
    path_of,
)
from monitor.rollback.executors.executor import Executor, ExecutorError, ManualStep
from monitor.rollback.order import Order

_GROUP = "apps/v1"
_REVISION = "deployment.kubernetes.io/revision"
_HASH = "pod-template-hash"


class DeploymentSettings(KubernetesSettings):
    """A Deployment of Kubernetes."""

    repeats_safely: ClassVar[bool] = True  # it is refused once the Deployment no longer runs the version
    freezes: ClassVar[bool] = True
    rights: ClassVar[str] = (
        "A Role in the namespace with `get` and `patch` on `deployments`, limited to this Deployment by resourceNames, "
        "and `list` on `replicasets` (apiGroup apps)."
    )

    kind: Literal["kubernetes"] = "kubernetes"
    """A Deployment of Kubernetes."""

    def make(self) -> Executor:
        """The executor."""
        return DeploymentExecutor(self)

    def describe(self, order: Order) -> str:
        """The undo."""
        verb = "undo the rollout of" if order.kind == "rollback" else "pause the rollout of"
        return f"{verb} Deployment {self.namespace}/{self.name}"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """The commands of kubectl."""
        where = f"deployment/{self.name} -n {self.namespace}"
        return (
            ManualStep(
                f"Find the revision of version {order.other or 'before'}.", f"kubectl rollout history {where}"
            ),
            ManualStep("Go back to it.", f"kubectl rollout undo {where} --to-revision=REVISION"),
            ManualStep("Wait until it is complete.", f"kubectl rollout status {where} --timeout=5m"),
            ManualStep(
                "Where GitOps manages the Deployment, revert it in Git as well: the next sync undoes the undo."
            ),
        )


class DeploymentExecutor:
    """Reads the Deployment and its replica sets, and puts the pod template of the other version back."""

    def __init__(self, settings: DeploymentSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """Undo or pause. The patch is refused by the server if somebody has changed the Deployment meanwhile."""
        settings = self._settings
        path = path_of(_GROUP, settings, "deployments", settings.name)
        with OrderCalls("Kubernetes", self.seconds, settings.ca_file) as calls:
            api = KubernetesApi(settings, calls)
            deployment = api.get(path)
            settings.ensure_runs(deployment, order)
            if order.kind == "freeze":
                api.patch(path, MERGE, {"spec": {"paused": True}})
                return f"Deployment {settings.name} is paused"
            if inside(deployment, "spec", "paused"):
                raise ExecutorError(f"Deployment {settings.name} is paused: resume it first", is_certain=True)
            revision, template = self._before(api, deployment, order)
            api.patch(path, JSON_PATCH, _undo(deployment, template))
            return f"Deployment {settings.name} goes back to revision {revision}"

    def _before(self, api: KubernetesApi, deployment: Any, order: Order) -> tuple[int, Any]:
        """The newest revision of the version to go back to, or of any other version, and its pod template."""
        settings = self._settings
        chosen = inside(deployment, "spec", "selector", "matchLabels") or {}
        selector = quote(",".join(f"{name}={value}" for name, value in sorted(chosen.items())), safe="=,")
        sets = api.get(f"{path_of(_GROUP, settings, 'replicasets')}?labelSelector={selector}&limit=500")
        mine = inside(deployment, "metadata", "uid")
        templates: dict[int, Any] = {}
        for one in inside(sets, "items") or ():
            owners = inside(one, "metadata", "ownerReferences") or ()
            template = inside(one, "spec", "template")
            version = settings.version_of(template)
            if any(owner.get("uid") == mine for owner in owners) and version not in ("", order.version):
                number = str(inside(one, "metadata", "annotations", _REVISION) or "")
                templates |= {int(number): template} if number.isdecimal() else {}
        exact = {n: one for n, one in templates.items() if settings.version_of(one) == order.other}
        if not templates:
            msg = f"Deployment {settings.name} has no revision of another version to go back to"
            raise ExecutorError(msg, is_certain=True)
        revision = max(exact or templates)
        return revision, templates[revision]


def _undo(deployment: Any, template: Any) -> list[dict[str, object]]:
    """The JSON patch, which fails if the Deployment is no longer the one that was read."""
    template = json.loads(json.dumps(template))
    (inside(template, "metadata", "labels") or {}).pop(_HASH, None)
    version = inside(deployment, "metadata", "resourceVersion")
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/spec/template", "value": template},
    ]
