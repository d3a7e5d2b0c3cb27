"""The configuration is found by itself, and its relative paths are relative to its own folder."""

import os
from pathlib import Path

import pytest

from monitor.config import location
from monitor.config.relative_paths import relative_to
from monitor.config.root import Config, load
from monitor.config.template import keys
from monitor.demo.process import write_configuration
from monitor.errors import ConfigError, NotFoundError
from tests.support.fork_server import start, watchkeeper
from tests.support.ports import free_port
from tests.support.traffic import prediction
from tests.support.waiting import until

SMALL = 'store: {url: "sqlite:///data/a.db"}\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, with the current folder `work/inner/deep` in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    deep = tmp_path / "work" / "inner" / "deep"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    return tmp_path


def test_the_nearest_file_wins_and_the_user_s_folder_comes_last(home: Path) -> None:
    places = ["work/inner/deep", "work/inner", "work", "work/inner/var/demo", ".config/watchkeeper"]
    for place in places:
        (home / place).mkdir(parents=True, exist_ok=True)
        (home / place / location.NAME).write_text(SMALL)
    for place in places:
        assert location.find().resolve() == home / place / location.NAME
        (home / place / location.NAME).unlink()
    with pytest.raises(
        NotFoundError, match=r"no watchkeeper\.yaml in the current folder or a folder above it"
    ):
        location.find()


def test_a_folder_of_that_name_and_a_stranger_s_file_are_passed_over(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "work/inner/deep" / location.NAME).mkdir()
    stranger = home / "work/inner" / location.NAME
    stranger.write_text(SMALL)
    own = home / "work" / location.NAME
    own.write_text(SMALL)
    if os.geteuid() == 0:
        os.chown(stranger, 12345, 12345)
        assert location.find() == own
    else:
        assert location.find() == stranger


def test_every_path_of_the_configuration_follows_the_file(tmp_path: Path) -> None:
    for name in ("training.parquet", "ca.pem", "cert.pem", "key.pem", "pager.key"):
        (tmp_path / name).write_text("k" * 32)
    path = tmp_path / "watchkeeper.yaml"
    path.write_text(
        SMALL
        + """
web: {certificate: cert.pem, private_key: key.pem, oidc: {ca_file: ca.pem}}
reports: {folder: out}
rules: {files: [mine.yaml, /etc/other.yaml]}
clients: {acme: {models: {fraud: {baseline: {file: training.parquet}}}}}
notify:
  pagerduty: {routing_key: "${file:pager.key}", ca_file: ca.pem}
  file: {path: pages.jsonl}
"""
    )
    config = load(path)
    assert config.store.url == f"sqlite:///{tmp_path}/data/a.db"
    assert config.clients["acme"].models["fraud"].baseline.file == tmp_path / "training.parquet"
    assert (config.web.certificate, config.web.oidc.ca_file) == (tmp_path / "cert.pem", tmp_path / "ca.pem")
    assert config.reports.folder == tmp_path / "out"
    assert config.rules.files == (f"{tmp_path}/mine.yaml", "/etc/other.yaml")
    assert config.notify.pagerduty is not None
    assert config.notify.pagerduty.routing_key.get_secret_value() == "k" * 32
    assert config.notify.pagerduty.ca_file == f"{tmp_path}/ca.pem"
    assert config.notify.file is not None
    assert config.notify.file.path == f"{tmp_path}/pages.jsonl"


def test_every_key_that_is_named_like_a_path_is_one() -> None:
    named = {
        key
        for key in keys(Config)
        if key.rpartition(".")[2] in ("file", "files", "folder", "path", "ca_file")
    }
    assert named - {"notify.file"} == {
        "web.oidc.ca_file", "rules.files", "notify.pagerduty.ca_file", "notify.alertmanager.ca_file",
        "notify.slack.ca_file", "notify.email.ca_file", "notify.webhook.ca_file", "notify.dead_man.ca_file",
        "notify.jsm.ca_file", "notify.teams.ca_file", "notify.servicenow.ca_file", "notify.datadog.ca_file",
        "notify.newrelic.ca_file",
        "notify.file.path", "reports.folder", "gauges.*.ca_file", "exporters.*.ca_file",
        "site.to.ca_file", "site.to.folder", "site.to.mail.ca_file", "sites.*.imap.ca_file",
        "clients.*.models.*.baseline.file",
            "clients.*.models.*.rollback.executor.ca_file", "clients.*.models.*.rollback.drill_executor.ca_file",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("sqlite:///a.db", "sqlite:////etc/wk/a.db"),
        ("sqlite:////var/lib/a.db", "sqlite:////var/lib/a.db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql+psycopg://u:p%40@host/name", "postgresql+psycopg://u:p%40@host/name"),
    ],
)
def test_only_a_relative_file_of_a_database_is_joined(url: str, resolved: str) -> None:
    config = Config.model_validate({"store": {"url": url}})
    assert relative_to(config, Path("/etc/wk")).store.url == resolved


def test_a_folder_that_no_database_url_can_name_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "what?"
    folder.mkdir()
    (folder / "watchkeeper.yaml").write_text(SMALL)
    with pytest.raises(ConfigError, match="contains '\\?'"):
        load(folder / "watchkeeper.yaml")


def test_a_database_that_an_earlier_version_made_in_the_current_folder_is_named(home: Path) -> None:
    Path("data").mkdir()
    Path("data/a.db").touch()
    path = home / "work" / "watchkeeper.yaml"
    path.write_text(SMALL)
    done = watchkeeper("check-config", folder=Path.cwd())
    assert done.returncode == 1
    assert f"{path}:1:9: warning: store.url: the database {home}/work/data/a.db does not exist" in done.stderr
    assert "data/a.db in the current folder does" in done.stderr


def test_status_needs_no_option_beside_the_demonstration_and_below_the_file_of_init(home: Path) -> None:
    """The daemon of the demonstration, started and asked from the same folder, and from folders below."""
    import httpx2

    folder, port = home / "work" / "var" / "demo", free_port()
    folder.mkdir(parents=True)
    (folder / "training.parquet").touch()
    write_configuration(folder, port)
    config = folder / "watchkeeper.yaml"
    config.write_text(config.read_text().replace("baseline: {file: training.parquet}", ""))
    with (home / "daemon.log").open("wb") as log:
        streams = (0, log.fileno(), log.fileno())
        daemon = start("monitor", "run", folder=home / "work", streams=streams)
        try:
            until(lambda: is_ready(port), "the daemon is ready")
            record = prediction() | {"client": "skyline", "model": "late-arrival"}
            httpx2.post(f"http://127.0.0.1:{port}/v1/predictions", json=[record]).raise_for_status()
            for place in (home / "work", home / "work/inner/deep"):
                done = watchkeeper("status", folder=place)
                assert "skyline/late-arrival/production" in done.stdout, done.stderr
            assert (folder / "watchkeeper.db").exists()
        finally:
            daemon.terminate()
            daemon.wait(300)


def is_ready(port: int) -> bool:
    import httpx2

    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


def test_without_a_configuration_a_command_says_how_to_get_one(home: Path) -> None:
    done = watchkeeper("status", folder=Path.cwd())
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert "create one with: watchkeeper init" in done.stderr
