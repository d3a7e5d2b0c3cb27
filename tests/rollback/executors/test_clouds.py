"""SageMaker against moto, Azure and Vertex AI against strict stand-ins; signatures against botocore."""

import json
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials
from moto.server import ThreadedMotoServer

from monitor.rollback.executors.clouds.aws_signature import Credentials, signed_headers
from monitor.rollback.executors.clouds.azureml import AzureMlSettings
from monitor.rollback.executors.clouds.sagemaker import SageMakerSettings
from monitor.rollback.executors.clouds.shares import moved
from monitor.rollback.executors.clouds.vertex import VertexSettings
from monitor.rollback.executors.executor import ExecutorError
from tests.support.orders import order
from tests.support.stand_in import Asked, Reply, StandIn

KEYS = {"access_key": "AKIAEXAMPLE", "secret_key": "s3cr3t"}


# AWS.


@pytest.mark.parametrize("token", ["", "session"])
@pytest.mark.parametrize("service", ["sagemaker", "monitoring"])
def test_signatures_are_those_of_botocore(token: str, service: str) -> None:
    url, body = "https://api.sagemaker.eu-west-1.amazonaws.com/", b'{"EndpointName": "fraud"}'
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.DescribeEndpoint"}
    theirs = AWSRequest("POST", url, data=body, headers=headers)
    credentials = TheirCredentials("AKIA", "key", token or None)
    botocore.auth.SigV4Auth(credentials, service, "eu-west-1").add_auth(theirs)
    now = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z").timestamp()
    ours = signed_headers(url, body, headers, Credentials("AKIA", "key", token), "eu-west-1", service, now)
    assert ours["Authorization"] == theirs.headers["Authorization"]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with mock.patch.dict(os.environ, {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}):
        yield f"http://{host}:{port}"
    server.stop()


def endpoint(aws: str, name: str) -> Any:
    client = boto3.client("sagemaker", endpoint_url=aws, region_name="eu-west-1")
    role = "arn:aws:iam::123456789012:role/sagemaker"
    client.create_model(
        ModelName=f"{name}-model",
        ExecutionRoleArn=role,
        PrimaryContainer={"Image": "i", "ModelDataUrl": "s3://b/m"},
    )
    variants = [
        {
            "VariantName": variant, "ModelName": f"{name}-model", "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.large", "InitialVariantWeight": weight,
        }
        for variant, weight in (("blue", 9.0), ("green", 1.0))
    ]  # fmt: skip
    client.create_endpoint_config(EndpointConfigName=f"{name}-config", ProductionVariants=variants)
    client.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")
    return client


def sagemaker(aws: str, **fields: Any) -> SageMakerSettings:
    usual: dict[str, Any] = {
        "kind": "sagemaker",
        "region": "eu-west-1",
        "endpoint": "fraud",
        "url": aws + "/",
    }
    return SageMakerSettings.model_validate(usual | KEYS | fields)


def test_the_variant_of_a_version_loses_its_weight(aws: str) -> None:
    client = endpoint(aws, "fraud")
    executor = sagemaker(aws, variants={"7": "blue", "8": "green"}).make()
    assert executor.execute(order()) == "the weight of variant green is set to 0"
    assert executor.execute(order()) == "variant green has no traffic already"
    shown = client.describe_endpoint(EndpointName="fraud")["ProductionVariants"]
    assert {one["VariantName"]: one["CurrentWeight"] for one in shown} == {"blue": 9.0, "green": 0.0}
    with pytest.raises(ExecutorError, match="no variant of version '9'"):
        executor.execute(order(version="9"))
    with pytest.raises(ExecutorError, match="HTTP 400") as refused:
        sagemaker(aws, endpoint="nobody", variants={"8": "green"}).make().execute(order())
    assert refused.value.is_certain
    with pytest.raises(ExecutorError, match="no variant 'red'"):
        sagemaker(aws, variants={"8": "red"}).make().execute(order())


def test_the_alarm_of_a_deployment_is_set(aws: str) -> None:
    client = boto3.client("cloudwatch", endpoint_url=aws, region_name="eu-west-1")
    client.put_metric_alarm(
        AlarmName="fraud bad", MetricName="Bad", Namespace="ml", Statistic="Maximum", Period=60, Threshold=1,
        EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    executor = sagemaker(aws, alarm="fraud bad").make()
    assert executor.execute(order(reason="é" * 2000)) == "the alarm fraud bad is set"
    alarm = client.describe_alarms(AlarmNames=["fraud bad"])["MetricAlarms"][0]
    assert (alarm["StateValue"], alarm["StateReason"][:12]) == ("ALARM", "Watchkeeper ")
    with pytest.raises(ExecutorError, match="HTTP 404"):
        sagemaker(aws, alarm="another").make().execute(order())


def test_traffic_needs_somewhere_to_go() -> None:
    weights = [("green", 1.0), ("blue", 0.0)]

    def answer(asked: Asked) -> Reply:
        variants = [{"VariantName": name, "CurrentWeight": weight} for name, weight in weights]
        return Reply(200, {"EndpointStatus": status, "ProductionVariants": variants})

    status = "InService"
    with StandIn(answer) as server:
        executor = sagemaker(server.url, variants={"8": "green"}).make()
        executor.execute(order())
        sent = server.asked[-1].json()["DesiredWeightsAndCapacities"]
        assert {one["VariantName"]: one["DesiredWeight"] for one in sent} == {"green": 0.0, "blue": 1.0}
        weights.append(("red", 0.0))
        with pytest.raises(ExecutorError, match="no other variant is known"):
            executor.execute(order())
        status = "RollingBack"
        with pytest.raises(ExecutorError, match="the endpoint is RollingBack"):
            executor.execute(order())


def test_one_way_is_configured() -> None:
    with pytest.raises(ValueError, match="needs one of"):
        sagemaker("http://x")
    with pytest.raises(ValueError, match="needs one of"):
        sagemaker("http://x", alarm="a", variants={"8": "green"})


# Azure.


class Azure:
    """An online endpoint behind Azure Resource Manager, and the issuer of tokens."""

    PATH = (
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/"
        "onlineEndpoints/fraud"
    )

    def __init__(self) -> None:
        self.endpoint: dict[str, Any] = {
            "name": "fraud", "location": "westeurope", "etag": "e1", "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "traffic": {"blue": 90, "green": 10}},
        }  # fmt: skip

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/t/oauth2/v2.0/token":
            wanted = {
                "grant_type": "client_credentials", "client_id": "c", "client_secret": "s",
                "scope": "https://management.azure.com/.default",
            }  # fmt: skip
            right = asked.form == wanted
            return Reply(200, {"access_token": "ey"}) if right else Reply(401, {"error": "invalid_client"})
        if asked.headers.get("authorization") != "Bearer ey":
            return Reply(401, {"error": {"code": "InvalidAuthenticationToken"}})
        if asked.query.get("api-version") != "2024-04-01":
            return Reply(400, {"error": {"code": "MissingApiVersionParameter"}})
        if asked.path != self.PATH:
            return Reply(404, {"error": {"code": "ResourceNotFound"}})
        if asked.method == "GET":
            return Reply(200, self.endpoint)
        if asked.headers.get("if-match", self.endpoint["etag"]) != self.endpoint["etag"]:
            return Reply(412, {"error": {"code": "PreconditionFailed"}})
        written = asked.json()
        traffic = written["properties"]["traffic"]
        if (
            "location" not in written
            or sum(traffic.values()) not in (0, 100)
            or set(traffic) - {"blue", "green"}
        ):
            return Reply(400, {"error": {"code": "BadArgument"}})
        self.endpoint = written
        return Reply(201, written)


def azure(server: StandIn, **fields: Any) -> AzureMlSettings:
    usual = {
        "kind": "azureml", "subscription": "s", "resource_group": "g", "workspace": "w", "endpoint": "fraud",
        "deployments": {"7": "blue", "8": "green"}, "tenant": "t", "client_id": "c", "client_secret": "s",
        "login_url": server.url, "url": server.url,
    }  # fmt: skip
    return AzureMlSettings.model_validate(usual | fields)


def test_azure_moves_the_traffic_and_keeps_the_rest_of_the_endpoint() -> None:
    platform = Azure()
    with StandIn(platform.answer) as server:
        executor = azure(server).make()
        assert executor.execute(order()) == "the traffic of deployment green is set to 0 %"
        assert executor.execute(order()) == "deployment green has no traffic already"
        assert platform.endpoint["properties"] == {"authMode": "Key", "traffic": {"blue": 100, "green": 0}}
        assert platform.endpoint["identity"] == {"type": "SystemAssigned"}
        with pytest.raises(ExecutorError, match="no deployment of version '9'"):
            executor.execute(order(version="9"))
        with pytest.raises(ExecutorError, match="no token was issued: Azure: HTTP 401") as refused:
            azure(server, client_secret="x").make().execute(order())
        assert refused.value.is_certain
        with pytest.raises(ExecutorError, match="HTTP 404"):
            azure(server, endpoint="another").make().execute(order())


def test_azure_does_not_overwrite_somebody_elses_change() -> None:
    platform = Azure()

    def answer(asked: Asked) -> Reply:
        if asked.method == "PUT":
            platform.endpoint["etag"] = "e2"
        return platform.answer(asked)

    with StandIn(answer) as server, pytest.raises(ExecutorError, match="HTTP 412"):
        azure(server).make().execute(order())


# Google.


class Vertex:
    """An endpoint of Vertex AI, and the metadata server."""

    PATH = "/v1/projects/p/locations/europe-west4/endpoints/e"

    def __init__(self) -> None:
        self.endpoint: dict[str, Any] = {"etag": "e1", "trafficSplit": {"11": 90, "12": 10}}

    def answer(self, asked: Asked) -> Reply:
        if asked.path.startswith("/computeMetadata/"):
            right = asked.headers.get("metadata-flavor") == "Google"
            return Reply(200, {"access_token": "ya29"}) if right else Reply(403)
        if asked.headers.get("authorization") != "Bearer ya29":
            return Reply(401, {"error": {"status": "UNAUTHENTICATED"}})
        if asked.path != self.PATH:
            return Reply(404, {"error": {"status": "NOT_FOUND"}})
        if asked.method == "GET":
            return Reply(200, self.endpoint)
        written = asked.json()
        split = written["trafficSplit"]
        if asked.query.get("updateMask") != "trafficSplit" or set(split) - {"11", "12"}:
            return Reply(400, {"error": {"status": "INVALID_ARGUMENT"}})
        if sum(split.values()) != 100 or written.get("etag") != self.endpoint["etag"]:
            return Reply(400, {"error": {"status": "FAILED_PRECONDITION"}})
        self.endpoint["trafficSplit"] = split
        return Reply(200, self.endpoint)


def vertex(server: StandIn, **fields: Any) -> VertexSettings:
    usual = {
        "kind": "vertex", "project": "p", "location": "europe-west4", "endpoint": "e", "url": server.url,
        "deployed_models": {"7": "11", "8": "12"}, "metadata_url": server.url,
    }  # fmt: skip
    return VertexSettings.model_validate(usual | fields)


def test_vertex_moves_the_traffic(tmp_path: Path) -> None:
    platform = Vertex()
    with StandIn(platform.answer) as server:
        assert vertex(server).make().execute(order()) == "the traffic of deployed model 12 is set to 0 %"
        assert platform.endpoint["trafficSplit"] == {"11": 100}
        assert vertex(server).make().execute(order()) == "deployed model 12 has no traffic already"
        (tmp_path / "token").write_text("old")
        with pytest.raises(ExecutorError, match="HTTP 401"):
            vertex(server, token_file=str(tmp_path / "token")).make().execute(order())
        with pytest.raises(ExecutorError, match="no deployed model of version '9'"):
            vertex(server).make().execute(order(version="9"))


def test_shares_stay_a_hundred() -> None:
    assert moved({"a": 60, "b": 30, "c": 10}, "b", "c") == {"a": 60, "b": 0, "c": 40}
    assert moved({"a": 60, "b": 40}, "b", "") == {"a": 100, "b": 0}
    with pytest.raises(ExecutorError):
        moved({"b": 100}, "b", "")
    with pytest.raises(ExecutorError):
        moved({"a": 100}, "b", "a")


@pytest.mark.parametrize("kind", ["sagemaker", "azureml", "vertex"])
def test_none_of_them_freezes(kind: str) -> None:
    with StandIn(lambda _: Reply(500)) as server:
        settings = {
            "sagemaker": sagemaker(server.url, alarm="a"), "azureml": azure(server), "vertex": vertex(server),
        }[kind]  # fmt: skip
        assert not settings.freezes
        with pytest.raises(ExecutorError, match="cannot freeze"):
            settings.make().execute(order(kind="freeze"))
        assert server.asked == []


def test_secrets_are_not_printed() -> None:
    with StandIn(lambda _: Reply(200)) as server:
        for settings in (sagemaker(server.url, alarm="a"), azure(server)):
            assert "s3cr3t" not in repr(settings) + json.dumps(settings.model_dump(mode="json"))
