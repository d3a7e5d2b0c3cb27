"""What the doctor finds of an executor without calling it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from monitor.config.root import Config
from monitor.doctor import Finding, examine
from monitor.records import Stream
from monitor.rollback.executors.examination import Flaw, flaws
from monitor.rollback.executors.executor import ExecutorSettings
from monitor.rollback.executors.registry import AnyExecutor
from monitor.store import model_versions
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.model_versions import Version
from tests.support.ports import free_port
from tests.support.receiver import Receiver

EXECUTOR: TypeAdapter[ExecutorSettings] = TypeAdapter(AnyExecutor)
KEY = "whsec_" + "QUJD" * 12
HOSTILE = "x\u202e\u2028\r\n'\"" + "w" * 10_000


@pytest.fixture(scope="module")
def url() -> Any:
    """An address that accepts connections, and is sent nothing."""
    with Receiver() as receiver:
        yield receiver.url.rstrip("/")
        assert receiver.requests == []


def found(section: dict[str, Any], versions: Sequence[str] = ()) -> list[Flaw]:
    return list(flaws(EXECUTOR.validate_python(section), versions))


def sections(url: str, folder: Path) -> dict[str, dict[str, Any]]:
    """An executor of each kind, complete."""
    token, program = folder / "token", folder / "roll-back"
    token.write_text("secret token\n".replace(" ", "-"))
    program.write_text("#!/bin/sh\ntouch called\n")
    program.chmod(0o755)
    cluster = {"namespace": "ml", "name": "fraud", "url": url, "token_file": str(token), "ca_file": ""}
    names = {"7": "blue", "8": "green"}
    return {
        "webhook": {"url": f"{url}/hook", "secret": KEY},
        "command": {"argv": [str(program), "{version}"]},
        "argo": cluster,
        "kubernetes": cluster,
        "sagemaker": {
            "region": "eu-west-1", "endpoint": "fraud", "variants": names, "access_key": "a", "secret_key": "s",
            "url": url,
        },
        "azureml": {
            "subscription": "s", "resource_group": "g", "workspace": "w", "endpoint": "e", "deployments": names,
            "tenant": "t", "client_id": "c", "client_secret": "s", "login_url": url, "url": url,
        },
        "vertex": {
            "project": "p", "location": "europe-west4", "endpoint": "e", "deployed_models": names,
            "metadata_url": url, "url": url,
        },
        "github": {"repository": "acme/fraud", "workflow": "back.yml", "token": "t", "url": url},
        "gitlab": {"project": "acme/fraud", "token": "t", "url": url},
    }  # fmt: skip


KINDS = ("webhook", "command", "argo", "kubernetes", "sagemaker", "azureml", "vertex", "github", "gitlab")


@pytest.mark.parametrize("kind", KINDS)
def test_a_complete_executor_of_each_kind_has_no_flaw_and_is_not_called(
    url: str, tmp_path: Path, kind: str
) -> None:
    assert found({"kind": kind} | sections(url, tmp_path)[kind], ("8", "7")) == []
    assert not Path("called").exists()


@pytest.mark.parametrize(
    ("kind", "changed", "key", "said"),
    [
        ("github", {"token": ""}, "token", "is empty"),
        ("github", {"token": "a\r\nb"}, "token", "a line break"),
        ("github", {"url": "ftp://x"}, "url", "is not a web address"),
        ("github", {"url": ""}, "url", "is empty"),
        ("github", {"url": "https://no.such.host.invalid"}, "url", "no.such.host.invalid cannot be reached"),
        ("gitlab", {"ca_file": "/nowhere/ca.pem"}, "ca_file", "cannot be used"),
        ("sagemaker", {"secret_key": " "}, "secret_key", "is empty"),
        ("azureml", {"login_url": "nonsense"}, "login_url", "is not a web address"),
        ("argo", {"token_file": "/nowhere/token"}, "token_file", "does not exist"),
        ("argo", {"token_file": "/"}, "token_file", "is not a file"),
        ("argo", {"token_file": "a\0b"}, "token_file", "does not exist"),
        ("kubernetes", {"token_file": HOSTILE}, "token_file", "cannot be read: File name too long"),
        ("command", {"argv": ["no-such-program-anywhere"]}, "argv", "does not exist"),
        ("command", {"argv": [HOSTILE]}, "argv", "does not exist"),
        ("command", {"argv": ["/"]}, "argv", "is not executable, or no file"),
        ("command", {"argv": ["sh"], "variables": ["HOME"]}, "", ""),  # found in the default path
    ],
)
def test_each_flaw_is_told_with_its_key_and_what_to_do(
    url: str, tmp_path: Path, kind: str, changed: dict[str, Any], key: str, said: str
) -> None:
    told = found({"kind": kind} | sections(url, tmp_path)[kind] | changed)
    assert [one.key for one in told] == ([key] if key else [])
    for one in told:
        assert said in one.problem
        assert one.hint
        assert len(one.problem) < 1000
        assert (one.problem + one.hint).isprintable()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"a\nb", "more than one line"), (b"\xff", "is not a text"),
     (b"a" * 70_000, "larger than 65,536 bytes")],
)  # fmt: skip
def test_a_file_that_holds_no_token_is_told(url: str, tmp_path: Path, content: bytes, said: str) -> None:
    section = {"kind": "argo"} | sections(url, tmp_path)["argo"]
    Path(section["token_file"]).write_bytes(content)
    [flaw] = found(section)
    assert said in flaw.problem


def test_a_program_without_the_right_or_the_interpreter_to_run_is_told(tmp_path: Path) -> None:
    program = tmp_path / "roll-back"
    program.write_text("#!/no/such/interpreter -u\n")
    [flaw] = found({"kind": "command", "argv": [str(program)]})
    assert "is not executable" in flaw.problem
    assert flaw.hint == f"chmod +x {program}"
    program.chmod(0o755)
    [flaw] = found({"kind": "command", "argv": [str(program)]})
    assert "the interpreter /no/such/interpreter of the program" in flaw.problem


def test_a_connection_without_encryption_is_told_except_on_this_machine(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.rollback.executors.examination.problem_of", lambda *_: "")
    assert found({"kind": "webhook", "url": url, "secret": KEY}) == []
    [flaw] = found({"kind": "webhook", "url": "http://hooks.example.com/very-secret", "secret": KEY})
    assert (flaw.key, flaw.problem) == ("url", "hooks.example.com is called without encryption")


def test_a_secret_is_never_told(url: str) -> None:
    port = free_port()
    told = found({"kind": "webhook", "url": f"https://u:{KEY}@127.0.0.1:{port}/{KEY}", "secret": KEY})
    assert [one.key for one in told] == ["url"]
    assert KEY not in str(told)


def test_the_doctor_names_the_key_and_the_versions_that_answer(url: str, tmp_path: Path) -> None:
    address, stream = f"sqlite:///{tmp_path}/a.db", Stream("acme", "fraud")
    store = Store(address)
    migrate(store)
    with store.write() as connection:
        model_versions.put(
            connection, [Version(stream, "8", 60.0, 90.0), Version(stream, "9\u202e", 80.0, 90.0)]
        )
    store.close()
    all_sections = sections(url, tmp_path)
    rollback = {
        "executor": {"kind": "vertex"} | all_sections["vertex"],
        "drill_executor": {"kind": "command", "argv": ["no-such-program-anywhere"]},
    }
    models = {
        "fraud": {"rollback": rollback},
        "churn": {"rollback": {"executor": {"kind": "command"} | all_sections["command"]}},
    }
    config = Config.model_validate({
        "store": {"url": address}, "web": {"listen": f"127.0.0.1:{free_port()}"},
        "clients": {"acme": {"models": models}},
    })  # fmt: skip
    told: dict[str, Finding] = {one.what: one for one in examine(config)}
    at = "clients.acme.models"
    mapping = told[f"{at}.fraud.rollback.executor.deployed_models"]
    assert not mapping.is_well
    assert mapping.detail.startswith("does not name version 9")
    assert mapping.detail.isprintable()
    assert "does not exist" in told[f"{at}.fraud.rollback.drill_executor.argv"].detail
    assert f"{at}.fraud.rollback.executor" not in told
    assert told[f"{at}.churn.rollback.executor"].is_well
