"""The answers of one language model: leaks, support, refusals, injections, tokens."""

from monitor.exporters.grafana.panels import Panel, PanelRow, Query, S

_WHOLE = f'{S[:-1]}, version=""'
_LEAKS = "identifier_leak|contact_leak|secret_leak|system_prompt_leak|canary_in_output|canary_in_input"
_ANSWERS = "refusal|off_topic|unsupported_numbers|unsupported_dates|unsupported_names|cut_answer"
_INJECTIONS = "injection_in_input|injection_in_context|injection_in_tool_results|hidden_characters"


def _share(title: str, about: str, signals: str) -> Panel:
    figure = f'max by (signal) (watchkeeper_signal_ratio{_WHOLE}, signal=~"{signals}"{S[-1]})'
    return Panel(
        title, about, "timeseries", "percentunit", 6, 8, (Query(figure, "{{signal}}"),), least=0,
        empty="No calls with texts",
    )  # fmt: skip


ANSWERS = PanelRow(
    "Answers of language models",
    (
        _share("Leaks", "Share of answers with data that the model was not given, and of canaries.", _LEAKS),
        _share("Answers", "Share of answers that decline, are cut, or are not supported.", _ANSWERS),
        _share("Injections", "Share of calls that look like prompt injections, by channel.", _INJECTIONS),
        Panel(
            "Tokens per second",
            "Tokens of inputs and answers.",
            "timeseries",
            "none",
            6,
            8,
            (Query(f"max(watchkeeper_tokens_per_second{_WHOLE}{S[-1]})", "tokens"),),
            least=0,
            empty="No usage",
        ),
        Panel(
            "Means of signals",
            "Means over the calls: characters and tokens of texts, distances, seconds to the first token.",
            "table",
            "none",
            12,
            8,
            (Query(f"max by (signal) (watchkeeper_signal_mean{_WHOLE}{S[-1]})", table=True),),
            columns=(("Value", "Mean"),),
            empty="No calls with texts",
        ),
        Panel(
            "Agreement of judges with people",
            "How surely a judge scores good answers above bad ones: 0.5 is chance, 1 is always.",
            "timeseries",
            "none",
            12,
            8,
            (
                Query(
                    f"max by (score, evaluator) (watchkeeper_judge_agreement_ratio{S})",
                    "{{score}} {{evaluator}}",
                ),
            ),
            least=0,
            most=1,
            empty="No verdicts of people",
        ),
    ),
    closed=True,
)
