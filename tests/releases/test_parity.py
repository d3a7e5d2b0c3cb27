"""Two environments side by side: what is equal, what differs, what is agreed, and what nobody knows."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from monitor.app import App
from monitor.cli.registry import app as command
from monitor.config.root import load
from monitor.config.rule_files import rules_of
from monitor.errors import InputError
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log import columns
from monitor.records import Stream
from monitor.releases.parity import compare, pairs, report
from monitor.releases.parity.row import ParityRow, ParityStanding
from monitor.releases.parity.side import EnvironmentState, load_both, with_same_inputs
from monitor.releases.parity.side import load as load_side
from monitor.releases.recording.manifest import parse
from monitor.releases.recording.record import record
from monitor.releases.settings import ParitySettings
from tests.support.log import send
from tests.support.server import running
from tests.support.thorough import examples

STAGING, PRODUCTION = Stream("acme", "fraud", "staging"), Stream("acme", "fraud")
AGREED = ParitySettings()
CONFIG = """\
store: {{url: "sqlite:///{folder}/a.db"}}
web: {{listen: "127.0.0.1:0"}}
clients: {{acme: {{models: {{fraud: {{releases: {{parity: {{agreed: {agreed}}}}}}}}}}}}}
"""


def rows(count: int, seed: int, shift: float = 0.0, *, answers: Any = None, **more: Any) -> pa.RecordBatch:
    rng = np.random.default_rng(seed)
    amount = rng.normal(shift, 1, count)
    columns = {
        "features.amount": amount,
        "features.country": rng.choice(["DE", "FR"], count),
        "prediction": np.where(amount > 0.5, "fraud", "ok") if answers is None else answers(amount),
        **more,
    }
    return pa.RecordBatch.from_pydict(columns)


def side(stream: Stream = PRODUCTION, **fields: Any) -> EnvironmentState:
    return EnvironmentState(stream, **fields)


def compared(
    left: EnvironmentState, right: EnvironmentState, settings: ParitySettings = AGREED
) -> dict[str, ParityRow]:
    return {row.name: row for row in compare.compare(left, right, settings)}


def test_of_nothing_nothing_is_known_and_nothing_differs() -> None:
    found = compare.compare(side(STAGING), side(), AGREED)
    assert {row.standing for row in found} == {ParityStanding.UNKNOWN, ParityStanding.EQUAL}
    assert not compare.differs(found)
    assert {
        "provider and region",
        "versions and configuration",
        "endpoints",
        "security controls",
        "data volumes",
    } <= {row.point for row in found if row.standing is ParityStanding.UNKNOWN}
    assert all(row.note for row in found if row.standing is ParityStanding.UNKNOWN)


def test_facts_differ_are_agreed_or_are_known_of_one_side_only() -> None:
    facts = {
        "deployment.provider": "aws", "deployment.region": "eu-1", "deployment.endpoint": "https://a.example/v1/fraud",
        "deployment.security.tls": "1.3", "runtime.packages.numpy": "2.1", "artifact.sha256": "a" * 64,
    }  # fmt: skip
    other = facts | {
        "deployment.region": "us-1", "deployment.endpoint": "https://b.example/v1/fraud",
        "runtime.packages.numpy": "2.2", "runtime.packages.extra": "1",
        "deployment.security.mtls": "True", "git.commit": "abcdef0",
    }  # fmt: skip
    found = compared(
        side(STAGING, facts=facts), side(facts=other), ParitySettings(agreed=("deployment.region",))
    )
    standings = {name: row.standing for name, row in found.items()}
    assert standings["deployment.provider"] is ParityStanding.EQUAL
    assert standings["deployment.region"] is ParityStanding.AGREED
    assert standings["deployment.endpoint"] is ParityStanding.AGREED
    assert standings["runtime.packages.numpy"] is ParityStanding.DIFFERS
    assert (found["runtime.packages.extra"].left, found["runtime.packages.extra"].right) == ("none", "1")
    assert standings["deployment.security.mtls"] is ParityStanding.DIFFERS
    assert standings["git.commit"] is ParityStanding.UNKNOWN
    assert "deployment.security.tls" not in standings
    insecure = facts | {"deployment.endpoint": "http://a.example/v1/fraud"}
    assert (
        compared(side(STAGING, facts=insecure), side(facts=other))["deployment.endpoint"].standing
        is ParityStanding.DIFFERS
    )
    broken = facts | {"deployment.endpoint": "https://[::"}
    assert (
        compared(side(STAGING, facts=broken), side(facts=other))["deployment.endpoint"].standing
        is ParityStanding.DIFFERS
    )


@pytest.mark.parametrize(
    ("staging", "production", "standing"),
    [
        (100.0, 1900.0, "equal"), (100.0, 2100.0, "differs"), (2100.0, 100.0, "differs"),
        (None, 5.0, "not known"), (0.0, 5.0, "not known"),
    ],
)  # fmt: skip
def test_volumes_within_the_agreed_factor(staging: float | None, production: float, standing: str) -> None:
    found = compared(side(STAGING, per_day=staging), side(per_day=production))
    assert found["volume"].standing.value == standing


def test_equal_rows_are_equal_in_schema_answers_and_distribution() -> None:
    found = compared(side(STAGING, rows=rows(500, 1)), side(rows=rows(500, 1)))
    assert [found[name].standing for name in ("inputs", "answers", "distribution")] == [
        ParityStanding.EQUAL
    ] * 3
    assert "100.00% of 500 answers" in found["answers"].note
    other_people = compared(side(STAGING, rows=rows(2000, 2)), side(rows=rows(2000, 3)))
    assert other_people["distribution"].standing is ParityStanding.EQUAL
    assert other_people["answers"].standing is ParityStanding.UNKNOWN
    assert "replay inputs of production in staging" in other_people["answers"].note


def test_other_answers_to_the_same_inputs_differ_with_their_largest_difference() -> None:
    scored = rows(500, 1, answers=lambda amount: amount)
    noisy = rows(500, 1, answers=lambda amount: amount * (1 + 1e-9))
    wrong = rows(500, 1, answers=lambda amount: np.where(np.arange(500) < 10, amount + 0.25, amount))
    assert compared(side(STAGING, rows=noisy), side(rows=scored))["answers"].standing is ParityStanding.EQUAL
    found = compared(side(STAGING, rows=wrong), side(rows=scored))["answers"]
    assert found.standing is ParityStanding.DIFFERS
    assert "98.00% of 500 answers" in found.note
    assert "the largest difference is 0.25" in found.note
    lenient = ParitySettings(equal_answers=0.95)
    assert (
        compared(side(STAGING, rows=wrong), side(rows=scored), lenient)["answers"].standing
        is ParityStanding.EQUAL
    )


def test_an_input_that_moved_one_that_is_missing_and_one_of_another_type_differ() -> None:
    hostile = "features.a\u2028b"
    left = rows(1000, 1, 1.0, **{hostile: np.arange(1000.0)})
    right = rows(1000, 2, **{"features.only": np.arange(1000.0), hostile: np.arange(1000).astype(str)})
    found = compared(side(STAGING, rows=left), side(rows=right))
    assert found["distribution.amount"].standing is ParityStanding.DIFFERS
    assert "distribution.country" not in found
    assert (found["inputs.only"].left, found["inputs.only"].right) == ("none", "number")
    assert (found["inputs.a\u2028b"].left, found["inputs.a\u2028b"].right) == ("number", "text")
    assert all(cell.isprintable() for row in found.values() for cell in report.cells(row))
    page = report.page(
        STAGING,
        replace(PRODUCTION, model="<b>"),
        [ParityRow("p", "<i>", row.level, row.standing) for row in found.values()],
    )
    assert "<i>" not in page
    assert "<b>" not in page


def answered(answer: str, **inputs: Any) -> pa.RecordBatch:
    columns = {f"features.{name}": value for name, value in inputs.items()}
    rows = len(next(iter(inputs.values())))
    return pa.RecordBatch.from_pydict(columns | {"prediction": [f"{answer} {n}" for n in range(rows)]})


def test_inputs_are_the_same_however_their_numbers_are_stored() -> None:
    whole = answered("a", n=pa.array([12, 0, None, 7]), more=["x", "y", "z", "w"])
    real = answered("b", n=[12.0, -0.0, None, 7.5], more=["x", "y", "z", "w"])
    text = answered("c", n=pa.array(["12", "0", None, "7 "]).dictionary_encode(), more=["x", "y", "z", "w"])
    for other in (real, text):
        found = list(pairs.pairs([whole], [other]))
        assert [one for one, _ in found] == ["a 0", "a 1", "a 2"]
        [kept] = pairs.with_inputs_of([other], whole, other)
        assert kept.column("prediction").to_pylist()[:3] == other.column("prediction").to_pylist()[:3]
    truth = [answered(name, n=values) for name, values in (("a", [True, False]), ("b", ["true", "false"]))]
    assert len(list(pairs.pairs(truth[:1], truth[1:]))) == 2
    assert len(pairs.with_inputs_of(truth[1:], *truth)[0]) == 2


def test_an_input_that_one_side_never_received_is_told_by_the_schema_and_rows_without_inputs_are_none() -> (
    None
):
    both = answered("a", n=[1.0, 2.0, 3.0]), answered("b", n=[1.0, 2.0, 4.0], only=["x", "y", "z"])
    assert list(pairs.pairs(both[:1], both[1:])) == [("a 0", "b 0"), ("a 1", "b 1")]
    empty = pa.array([None, None], pa.float64())
    assert list(pairs.pairs([answered("a", n=empty)], [answered("b", n=empty)])) == []
    assert list(pairs.pairs([], [both[0]])) == []
    assert list(pairs.pairs([pa.RecordBatch.from_pydict({"features.n": [1.0]})], [both[0]])) == []


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False),
    st.sampled_from(["a", "12"]),
)


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(values, min_size=1, max_size=6), st.lists(values, min_size=1, max_size=6))
def test_law_inputs_with_one_name_have_one_hash(one: list[Any], other: list[Any]) -> None:
    sides = [pa.RecordBatch.from_pydict({"features.n": columns.column(side)}) for side in (one, other)]
    named = [dict(zip(columns.names(rows.column(0)).to_pylist(), pairs.hashes(rows, ["features.n"]), strict=True))
             for rows in sides]  # fmt: skip
    assert all(named[0][name] == named[1][name] for name in named[0].keys() & named[1].keys())


sides = st.builds(
    lambda facts, versions, per_day, seed: EnvironmentState(
        STAGING, versions, None, facts, per_day, {}, None if seed is None else rows(120, seed)
    ),
    st.dictionaries(
        st.sampled_from(["deployment.region", "runtime.packages.a", "artifact.sha256", "prompt.system_sha256"]),
        st.sampled_from("xy"),
    ),
    st.lists(st.sampled_from("78"), max_size=2).map(lambda some: tuple(sorted(set(some)))),
    st.sampled_from([None, 10.0, 1e6]),
    st.sampled_from([None, 1]),
)  # fmt: skip


@settings(max_examples=examples(25), deadline=None)
@given(sides, sides)
def test_law_a_side_equals_itself_and_a_difference_is_mutual(
    one: EnvironmentState, other: EnvironmentState
) -> None:
    assert not compare.differs(compare.compare(one, one, AGREED))
    found, back = (compare.compare(a, b, AGREED) for a, b in ((one, other), (other, one)))
    assert {row.name for row in found if row.standing is ParityStanding.DIFFERS} == {
        row.name for row in back if row.standing is ParityStanding.DIFFERS
    }
    assert [row.order for row in found] == sorted(row.order for row in found)
    assert not compare.differs(compare.compare(one, other, ParitySettings(agreed=("*",))))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("parity")
    (folder / "watchkeeper.yaml").write_text(CONFIG.format(folder=folder, agreed="[]"))
    app = App(load(folder / "watchkeeper.yaml"))
    app.log.start()
    now = app.clock.now()
    for stream, version in ((STAGING, "8"), (PRODUCTION, "7")):
        made = rows(200, 5).to_pylist()
        sent = [
            {
                "client": "acme", "model": "fraud", "environment": stream.environment, "version": version,
                "id": f"order {n}", "timestamp": now - 60 + n / 10, "prediction": row["prediction"],
                "features": {"amount": row["features.amount"], "country": row["features.country"]},
            }
            for n, row in enumerate(made)
        ]  # fmt: skip
        send(app.log, RecordKind.PREDICTIONS, sent)
        manifest = {
            "client": "acme", "model": "fraud", "environment": stream.environment, "version": version,
            "runtime": {"packages": {"Scikit_Learn": "1.5.0"}},
            "schema": {"inputs": [{"name": "amount", "type": "double"}]},
            "deployment": {"region": stream.environment},
        }  # fmt: skip
        with app.store.write() as connection:
            record(connection, parse(json.dumps(manifest).encode(), now), "api", "key", now)
    app.log.stop()
    yield app
    app.store.close()


def test_what_is_stored_of_both_is_compared_by_the_command_and_the_page(daemon: App) -> None:
    now = daemon.clock.now()
    with daemon.store.read() as connection:
        loaded = load_side(connection, STAGING, rules_of(daemon.config), now, 1000)
    assert loaded.facts["runtime.packages.scikit-learn"] == "1.5.0"
    assert loaded.facts["schema.inputs.amount.type"] == "double"
    assert loaded.rows is not None
    assert loaded.rows.num_rows == 200
    config = str(Path(daemon.store.path or "").parent / "watchkeeper.yaml")
    done = CliRunner().invoke(
        command, ["parity", "acme/fraud", "staging", "production", "--json", "-c", config]
    )
    assert done.exit_code == 1
    found = {row["name"]: row for row in json.loads(done.stdout)["rows"]}
    assert found["deployment.region"]["standing"] == "differs"
    assert found["answers"]["standing"] == "equal"
    assert found["thresholds.HighLatency"]["standing"] == "agreed"
    assert found["distribution"]["standing"] == "equal"
    folder = Path(config).parent
    (folder / "agreed.yaml").write_text(CONFIG.format(folder=folder, agreed='["deployment.*"]'))
    html = Path(config).with_name("parity.html")
    done = CliRunner().invoke(
        command, ["parity", "acme/fraud", "--html", str(html), "-c", str(folder / "agreed.yaml")]
    )
    assert "deployment.region" in html.read_text()
    assert done.exit_code == 0
    with running(daemon.server) as url:
        import httpx2

        page = httpx2.get(f"{url}/staff/parity/acme/fraud/staging/production")
        assert page.status_code == 200
        assert "answers to the same inputs are equal" in page.text
        for path in ("staging/staging", "nowhere/neither"):
            assert httpx2.get(f"{url}/staff/parity/acme/fraud/{path}").status_code == 404


def test_inputs_that_were_replayed_are_found_among_all_rows_and_not_in_a_sample_alone(daemon: App) -> None:
    now, rules = daemon.clock.now(), rules_of(daemon.config)
    with daemon.store.read() as connection:
        left = load_side(connection, STAGING, rules, now, 200)
        right = load_side(connection, PRODUCTION, rules, now, 3)
        found, none = (with_same_inputs(connection, right, left, now, most) for most in (10_000, 0))
        both = load_both(connection, (STAGING, PRODUCTION), rules, now, 3, 10_000)
    assert "200 answers" in compared(left, found)["answers"].note
    assert compared(left, none)["answers"].note.startswith("3 of 30 inputs are known from both")
    assert all(sum(rows.num_rows for rows in side.same_inputs) == 3 for side in both)


ANSWERS = """
import json, sys
for place, line in enumerate(sys.stdin):
    item = json.loads(line)
    answer = "fraud" if item["features"]["amount"] > 0.5 else "ok"
    wrong = place < int(sys.argv[1])
    print(json.dumps({"id": item["id"], "prediction": "other" if wrong else answer}))
"""


@pytest.mark.parametrize(("wrong", "standing"), [(0, "equal"), (20, "differs")])
def test_a_command_answers_the_inputs_of_production_for_an_environment(
    daemon: App, tmp_path: Path, wrong: int, standing: str
) -> None:
    script = tmp_path / "ask.py"
    script.write_text(ANSWERS)
    config = str(Path(daemon.store.path or "").parent / "watchkeeper.yaml")
    words = ["parity", "acme/fraud", "staging", "production", "--json", "-c", config]
    asked = [*words, "--replay", "1d", "--command", f"{sys.executable} {script} {wrong}"]
    done = CliRunner().invoke(command, asked)
    [row] = [one for one in json.loads(done.stdout)["rows"] if one["name"] == "answers"]
    assert (row["standing"], row["note"].split(";")[0]) == (
        standing,
        f"{(200 - wrong) / 200:.2%} of 200 answers to the same inputs are equal",
    )
    half = CliRunner().invoke(command, [*words, "--replay", "1d"])
    assert isinstance(half.exception, InputError)
