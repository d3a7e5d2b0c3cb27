"""The configuration: shipped files load, `full.yaml` has every key with its default, mistakes are told with places."""

from pathlib import Path

import pytest

from monitor.config.relative_paths import relative_to
from monitor.config.root import EXAMPLES, Config, load, with_address
from monitor.config.template import docstrings, keys, render
from monitor.errors import ConfigError

ROOT = Path(__file__).parents[2]


def written(folder: Path, text: str) -> Path:
    path = folder / "watchkeeper.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text))
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_full_yaml_is_what_the_sections_say() -> None:
    assert (ROOT / "config" / "full.yaml").read_text(encoding="utf-8") == render(Config, EXAMPLES)


def test_full_yaml_reads_back_as_the_defaults() -> None:
    defaults = relative_to(with_address(Config()), ROOT / "config")
    assert load(ROOT / "config" / "full.yaml") == defaults


def test_full_yaml_names_every_key() -> None:
    text = (ROOT / "config" / "full.yaml").read_text(encoding="utf-8")
    assert not [key for key in keys(Config) if f"{key.rpartition('.')[2]}:" not in text]


def test_links_in_notifications_begin_as_all_others_do_unless_told_otherwise(tmp_path: Path) -> None:
    public = 'web: {public_url: "https://watch.example.com"}\n'
    assert load(written(tmp_path, public)).alerts.public_url == "https://watch.example.com"
    own = 'alerts: {public_url: "https://inside.example.com"}\n'
    assert load(written(tmp_path, public + own)).alerts.public_url == "https://inside.example.com"


def test_every_key_has_a_sentence() -> None:
    assert [name for name in Config.model_fields if not docstrings(Config).get(name)] == []


def test_minimal_yaml_is_ten_lines_and_loads() -> None:
    path = ROOT / "config" / "minimal.yaml"
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 10
    assert load(path).clients["acme"].models["fraud"].title == "Fraud check"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("web: {listen: nowhere}", "watchkeeper.yaml:1:7: error: web.listen: 'nowhere' is not host:port"),
        ("web: {lisen: x}", "watchkeeper.yaml:1:7: error: web.lisen: unknown key (did you mean 'listen'?)"),
        (
            "store: {url: mysql://u:pw@host/x}",
            "watchkeeper.yaml:1:9: error: store.url: is not a database URL (use sqlite:",
        ),
        (
            "store: {url: watch.db}",
            "watchkeeper.yaml:1:9: error: store.url: is not a database URL (use sqlite:",
        ),
        ("evaluate: {every: 5}", "watchkeeper.yaml:1:12: error: evaluate.every: 5 is not a duration"),
        ("drift:\n  false_alarms: often", "watchkeeper.yaml:2:3: error: drift.false_alarms: "),
        (
            "clients: {a: {timezone: Mars}}",
            "watchkeeper.yaml:1:15: error: clients.a.timezone: 'Mars' is not a time zone",
        ),
        (
            "clients: {a: {models: {m: {baseline: {file: gone.parquet}}}}}",
            "watchkeeper.yaml:1:39: error: clients.a.models.m.baseline.file: the file gone.parquet does not exist",
        ),
        ("clients: {a/b: {}}", "1:11: error: clients.a/b: the name 'a/b' contains a slash"),
        ("clients: {..: {}}", "1:11: error: clients...: the name '..' is a path, not a name"),
        ("clients: {watchkeeper: {}}", "clients.watchkeeper: the name 'watchkeeper' is the daemon itself"),
        ("clients: {a: {models: {'x ': {}}}}", "the name 'x ' begins or ends with a space"),
        ("predictions: {max_label: 513}", "predictions.max_label"),
        ("notify: {pagerduty: {routing_key: '${NO_SUCH}'}}", "environment variable NO_SUCH is not set"),
        ("notify: {pagerduty: {}}", "notify.pagerduty.routing_key: is required"),
        ("- a\n- b", "is not a mapping of sections"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_what_to_do(tmp_path: Path, text: str, told: str) -> None:
    assert any(told in mistake for mistake in mistakes(tmp_path, text)), mistakes(tmp_path, text)


def test_all_mistakes_are_told_in_one_run(tmp_path: Path) -> None:
    assert (
        len(mistakes(tmp_path, "web: {lisen: x, requests_per_minute: 0}\nsotre: {}\nevaluate: {every: soon}"))
        == 4
    )


def test_a_secret_never_prints(tmp_path: Path) -> None:
    key = "k" * 32
    config = load(written(tmp_path, f"notify: {{pagerduty: {{routing_key: {key}}}}}"))
    assert key not in repr(config)
    assert key not in str(config.model_dump())
