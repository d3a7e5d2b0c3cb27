"""docs/signals.md and `watchkeeper signals` say the same as the code."""

import re
from pathlib import Path

from monitor.signals.measured import errors_of, microseconds_of
from monitor.signals.personal_data.kinds import KINDS
from monitor.signals.personal_data.secrets import _FORMS
from monitor.signals.registry import SIGNALS

PAGE = (Path(__file__).parents[2] / "docs" / "signals.md").read_text(encoding="utf-8")
BEFORE_TABLES = PAGE.partition("## Measured errors")[0]
NEVER_WRONG = {"answer_characters", "empty_answer", "cut_answer", "input_tokens"}


def test_the_page_describes_each_signal_and_no_other() -> None:
    rows = [line.split("|")[1] for line in BEFORE_TABLES.splitlines() if line.startswith("| `")]
    described = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(described) == sorted(one.name for one in SIGNALS)


def test_the_page_names_each_token_of_redaction_and_counts_the_forms_of_secrets() -> None:
    assert all(f"`{kind.token}`" in PAGE for kind in KINDS)
    assert f"{len(_FORMS)} forms" in PAGE


def test_each_signal_has_a_cost_and_what_can_be_wrong_has_an_error() -> None:
    assert [one.name for one in SIGNALS if microseconds_of(one.name) is None] == []
    measured = {one.name for one in SIGNALS if errors_of(one.name)}
    wanted = {
        *(
            "word_support",
            "off_topic",
            "unsupported_numbers",
            "unsupported_dates",
            "unsupported_names",
            "refusal",
        ),
        *("injection_in_input", "injection_in_context", "injection_in_tool_results", "system_prompt_leak"),
        *("personal_data_in_output", "secret_in_output"),
    }
    assert wanted <= measured
    assert not measured & NEVER_WRONG


def test_an_error_is_a_sentence() -> None:
    said = [one.sentence for one in errors_of("refusal")]
    assert any(
        re.fullmatch(r".*, en: finds \d+\.\d% of \d+, false alarms \d\.\d\d% of \d+", one) for one in said
    )
