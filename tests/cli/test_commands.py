"""The command line: help opens with an example, exit codes mean what the docs say, data is on stdout alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import typer.main

from monitor.cli.registry import app
from tests.support import http
from tests.support.daemon import ROOT, Daemon
from tests.support.fork_server import watchkeeper as run
from tests.support.ports import free_port
from tests.support.thorough import thinned
from tests.support.traffic import prediction, send
from tests.support.waiting import until


def commands(group: object = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every command with its words."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(
    ("words", "command"),
    list(commands()),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_command_shows_an_example_of_itself(words: tuple[str, ...], command: object) -> None:
    help_text = command.help  # type: ignore[attr-defined]
    assert f"Example: watchkeeper {' '.join(words)}" in help_text


def test_help_loads_neither_numpy_nor_a_web_server() -> None:
    script = "import sys; from monitor.cli.registry import app; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert not {"numpy", "pyarrow", "litestar", "pydantic", "sqlalchemy", "sklearn"} & set(
        loaded.stdout.split()
    )


def test_a_wrong_configuration_exits_with_3_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("web: {lisen: x}\nstroe: {}\n")
    done = run("check-config", "-c", str(path))
    assert done.returncode == 3
    assert done.stdout == ""
    assert f"{path}:1:7: error: web.lisen: unknown key (did you mean 'listen'?)" in done.stderr
    assert done.stderr.rstrip().endswith("2 errors")


def test_the_shipped_configuration_is_in_order() -> None:
    done = run("check-config", "-c", "config/minimal.yaml")
    assert done.returncode == 0
    assert "rules: " in done.stdout
    assert "drift: 1 false alarm in 30 days: a shift of 0.2 sd is found in about " in done.stdout


def test_usage_mistakes_exit_with_2() -> None:
    assert run("status", "--no-such-option").returncode == 2


def test_what_cannot_be_told_exits_with_4(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        assert run("explain", "Nothing", "-c", str(daemon.config)).returncode == 4
        assert run("status", "-c", str(daemon.config)).returncode == 4


def test_a_model_can_be_asked_about_from_the_command_line(tmp_path: Path) -> None:
    with Daemon(tmp_path, "evaluate: {every: 200ms}\nnotify: {console: false}\n") as daemon:
        send(daemon, [prediction() for _ in range(200)])
        at = ("-c", str(daemon.config))
        done = until(lambda: (d := run("status", "--json", *at)).returncode == 0 and d, "the model is seen")
        (line,) = json.loads(done.stdout)
        assert (line["client"], line["model"], line["environment"]) == ("acme", "fraud", "production")
        assert "no baseline yet" in " ".join(line["notes"])
        assert json.loads(run("alerts", "--json", *at).stdout) == []

        made = run(
            "silence", "add", 'model="fraud"', "--for", "2h", "--comment", "planned", "--author", "ann", *at
        )
        (silence,) = json.loads(run("silence", "list", "--json", *at).stdout)
        assert made.stdout.strip() == silence["id"]
        assert silence["comment"] == "planned"
        assert run("silence", "expire", silence["id"], *at).returncode == 0
        assert json.loads(run("silence", "list", "--json", *at).stdout) == []

        exported = run(
            "export", "predictions", "acme/fraud", "--out", str(tmp_path / "out"), "--last", "1h", *at
        )
        assert exported.returncode == 0
        assert all(Path(file).exists() for file in exported.stdout.split())


def test_a_refused_record_is_shown_with_its_reason_wherever_one_looks(tmp_path: Path) -> None:
    with Daemon(tmp_path, "notify: {console: false}\n") as daemon:
        send(daemon, [prediction(), prediction(latency_ms=-3), {"client": "acme"}])
        at = ("-c", str(daemon.config))
        (line,) = json.loads(run("status", "--json", *at).stdout)
        assert "1 record rejected in the last 24 hours" in " ".join(line["notes"])
        assert "latency_ms is -3.0, below zero" in " ".join(line["notes"])

        newest, oldest = json.loads(run("quarantine", "--json", *at).stdout)
        assert (newest["reason"], newest["error"], newest["hint"]) == (
            "incomplete",
            "model is missing",
            "add the field model to the record",
        )
        assert json.loads(oldest["record"])["latency_ms"] == -3
        shown = run("quarantine", "--most", "1", *at)
        assert '{"client": "acme"}' in shown.stdout
        assert "1 of acme/fraud: invalid" in shown.stderr
        assert "no rejected records" in run("quarantine", "--client", "globex", *at).stderr
        exposed = daemon.get("/metrics").text
        assert 'watchkeeper_source_errors_total{reason="invalid",source="http"} 1.0' in exposed


def test_looking_into_a_store_that_is_not_there_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f'store: {{url: "sqlite:///{tmp_path}/none/a.db"}}\n')
    done = run("status", "-c", str(path))
    assert done.returncode == 4
    assert f"no store at {tmp_path}/none/a.db" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_key_is_shown_once_and_then_only_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f'store: {{url: "sqlite:///{tmp_path}/a.db"}}\n')
    at = ("-c", str(path))
    token = run("key", "create", "ingest", "--client", "acme", *at).stdout.strip()
    assert token.startswith("wk_")
    listed = run("key", "list", "--json", *at).stdout
    assert token not in listed
    (key,) = json.loads(listed)
    assert run("key", "revoke", key["id"], *at).returncode == 0
    assert json.loads(run("key", "list", "--json", *at).stdout)[0]["valid"] == "no"


def test_init_writes_a_configuration_that_works_and_overwrites_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    answers = (
        "--client",
        "acme",
        "--model",
        "fraud",
        "--listen",
        "127.0.0.1:8080",
        "--pagerduty-key-file",
        "",
    )
    assert run("init", str(path), *answers).returncode == 0
    assert run("check-config", "-c", str(path)).returncode == 0
    before = path.read_text()
    assert run("init", str(path), *answers).returncode == 2
    assert path.read_text() == before


def test_init_asks_on_stderr_and_the_daemon_runs_with_the_answers(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "monitor"]
    at = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    answers = f"north-bank\nloans\n127.0.0.1:{port}\n\n"
    made = subprocess.run(
        [*command, "init"], input=answers, capture_output=True, text=True, check=True, timeout=300, **at
    )
    assert made.stdout == "watchkeeper.yaml\n"
    assert "Client (short key) [acme]" in made.stderr
    with subprocess.Popen(
        [*command, "run", "-c", "watchkeeper.yaml"], stderr=subprocess.DEVNULL, **at
    ) as daemon:
        try:
            page = until(lambda: looked_at(f"http://127.0.0.1:{port}/c/north-bank/"), "the page is there")
            assert "Loans" in page
            assert "watchkeeper_build_info" in looked_at(f"http://127.0.0.1:{port}/metrics")
        finally:
            daemon.terminate()


def looked_at(url: str) -> str:
    try:
        answer = http.get(url, timeout=5)
    except httpx2.TransportError:
        return ""
    return answer.text if answer.status_code == 200 else ""


@pytest.mark.parametrize(
    "wrong", [("--client", "a: {"), ("--listen", "nowhere"), ("--pagerduty-key-file", "no.key")]
)
def test_init_leaves_nothing_behind_that_does_not_work(tmp_path: Path, wrong: tuple[str, str]) -> None:
    path = tmp_path / "new.yaml"
    done = run("init", str(path), "--no-input", *wrong)
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert not path.exists()


MEANINGLESS = (
    ("export", "predictions", "acme/fraud", "--out", "out", "--last", "7"),
    ("silence", "add", 'model="fraud"', "--for", "2 hours", "--comment", "x"),
    ("key", "create", "page", "--client", "acme", "--expires", "soon"),
    ("key", "create", "root"),
    ("key", "create", "page"),
    ("backtest", "--from", "yesterday"),
    ("backtest", "--from", "2026-10-23", "-r", "a.yaml", "-r", "b.yaml", "-r", "c.yaml"),
    ("profile", "fraud", "--source", "lake.parquet"),
)


@pytest.mark.parametrize("words", thinned(MEANINGLESS, 3))
def test_words_that_mean_nothing_exit_with_2_and_a_hint(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f'store: {{url: "sqlite:///{tmp_path}/a.db"}}\n')
    run("key", "create", "metrics", "--client", "acme", "-c", str(path))  # a store that is there
    done = run(*words, "-c", str(path))
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")


def test_a_key_for_the_metrics_of_every_client_needs_no_client(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f'store: {{url: "sqlite:///{tmp_path}/a.db"}}\n')
    assert run("key", "create", "metrics", "-c", str(path)).stdout.startswith("wk_")
    assert json.loads(run("key", "list", "--json", "-c", str(path)).stdout)[0]["client"] == "-"


def test_a_key_for_a_client_that_is_not_configured_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f'store: {{url: "sqlite:///{tmp_path}/a.db"}}\nclients: {{acme: {{}}}}\n')
    done = run("key", "create", "ingest", "--client", "acne", "-c", str(path))
    assert done.returncode == 2
    assert done.stderr.startswith("error: client 'acne' is not configured (did you mean 'acme'?)\n")
    assert not (tmp_path / "a.db").exists()


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "a.yaml"
    path.write_text(f'store: {{url: "sqlite:///{tmp_path}/file/a.db"}}\n')
    done = run("run", "-c", str(path))
    assert done.returncode == 4
    assert done.stderr.startswith(f"error: the folder {tmp_path}/file cannot be created: File exists\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("missing", "words", "extra"),
    [
        ("psycopg", ("status", "-c", "PATH"), "postgresql"),
        ("joblib", ("demo", "--incident", "errors"), "demo"),
    ],
)
def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(
    tmp_path: Path, missing: str, words: tuple[str, ...], extra: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text('store: {url: "postgresql+psycopg://u@127.0.0.1:9/x"}\n')
    given = ["watchkeeper", *(str(path) if word == "PATH" else word for word in words)]
    script = f"import sys; sys.modules[{missing!r}] = None; sys.argv = {given!r}; from monitor.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 4
    assert f"needs {missing}, which is not installed" in done.stderr
    assert done.stderr.endswith(f"pip install 'watchkeeper[{extra}]'\n")


def test_making_the_first_key_says_what_it_closes(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f'store: {{url: "sqlite:///{tmp_path}/a.db"}}\n')
    make = ("key", "create", "page", "--client", "acme", "-c", str(path))
    first, second = run(*make), run(*make)
    assert "from now on everything requires a key, on this machine too" in first.stderr
    assert "watchkeeper key create staff" in first.stderr
    assert "on this machine too" not in second.stderr
    run("key", "create", "staff", "-c", str(path))
    assert "key create staff" not in run(*make).stderr


def test_a_comparison_of_files_loads_only_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "amount,country\n" + "".join(f"{at / 7},{'de' if at % 3 else 'fr'}\n" for at in range(2000))
    )
    script = (
        "import sys\n"
        f"sys.argv = ['watchkeeper', 'compare', {str(path)!r}, {str(path)!r}]\n"
        "from monitor.cli import main\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "0 of 2 columns drifted" in done.stdout
    loaded = set(done.stderr.split())
    assert "monitor.comparison" in loaded
    needless = {"pandas", "rich", "numpy.ma", "sqlalchemy", "litestar", "yaml", "scipy.special"}
    assert not (needless | {"typer", "pydantic"}) & loaded


def test_a_comparison_is_the_same_past_the_parsing_of_commands_and_through_it(tmp_path: Path) -> None:
    one, other = tmp_path / "one.csv", tmp_path / "other.csv"
    for path, shift in ((one, 0), (other, 3)):
        path.write_text("amount\n" + "".join(f"{at / 7 + shift}\n" for at in range(500)))
    for form in ((), ("--json",)):
        # `--` means nothing here, but leads through the parsing.
        past, through = (
            run("compare", str(one), str(other), *form),
            run("compare", *form, "--", str(one), str(other)),
        )
        assert past.returncode == through.returncode == 0
        assert past.stdout == through.stdout != ""


@pytest.mark.parametrize(
    "words", [(), ("a.parquet",), ("a.parquet", "--jsn"), ("a.parquet", "b.parquet", "c.parquet")]
)
def test_mistakes_in_asking_for_a_comparison_are_told_as_for_any_command(words: tuple[str, ...]) -> None:
    done = run("compare", *words)
    assert done.returncode == 2
    assert "Usage: " in done.stderr


def test_a_comparison_with_a_file_that_is_not_there_exits_with_2(tmp_path: Path) -> None:
    done = run("compare", str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet"))
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/a.parquet does not exist\n"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.ndjson"
    path.write_text("\n".join(json.dumps({"amount": n % 40 + 0.5, "label": "ab"[n % 2]}) for n in range(300)))
    return path


def test_files_of_one_kind_and_another_are_compared_and_a_line_that_is_none_is_named(rows: Path) -> None:
    other = rows.with_suffix(".csv")
    lines = [f"{n % 40},5;{'ab'[n % 2]}" for n in range(300)]
    other.write_bytes("\n".join(["amount;label", *lines, "1;Köln", "2"]).encode("latin-1"))
    done = run("compare", str(rows), str(other))
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 of 2 columns drifted (300 reference rows, 300 current rows)" in done.stdout
    assert f"{other}:302 was skipped: byte 0xf6 in 'label' is not UTF-8" in done.stdout
    told = run("compare", str(rows), str(other), "--json", "--encoding", "cp1252", "--separator", ";")
    assert {one["column"] for one in json.loads(told.stdout)} == {"amount", "label"}
    assert told.stderr == f"{other}:303 was skipped: 1 values instead of 2\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("export", "grafana", "--out", "/proc/nowhere"), 4),
        (("compare", "{rows}", "{rows}", "--html", "/proc/nowhere/report.html"), 4),
        (("compare", "{rows}", "{rows}", "--html", "{folder}"), 2),
        (("compare", "{folder}", "{rows}"), 2),
        (("compare", "{rows}", "{rows}", "--separator", ";;"), 2),
        (("baseline", "set", "acme/fraud", "{rows}", "--encoding", "klingon"), 2),
    ],
)
def test_what_the_system_or_we_refuse_is_told_without_a_traceback(
    rows: Path, tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    config = tmp_path / "watchkeeper.yaml"
    config.write_text(f'store: {{url: "sqlite:///{tmp_path}/wk.db"}}\nclients: {{acme: {{name: A}}}}\n')
    named = [word.format(rows=rows, folder=rows.parent) for word in words]
    more = ["--config", str(config)] if words[0] == "baseline" else []
    done = run(*named, *more)
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[0].startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_ends_a_command_quietly(rows: Path) -> None:
    command = f"{sys.executable} -m monitor compare {rows} {rows} | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
