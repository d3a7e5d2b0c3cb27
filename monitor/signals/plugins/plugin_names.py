"""What a plug-in may be called, and how its function is named. The configuration checks both without the signals."""

import re

_TARGET = re.compile(r"[A-Za-z_][\w.]{0,200}:[A-Za-z_]\w{0,100}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
BUILT_IN = frozenset((
    "word_support", "off_topic", "unsupported_numbers", "unsupported_dates", "unsupported_names",
    "sample_agreement", "mean_logprob", "least_logprob", "answer_characters", "answer_words",
    "empty_answer", "cut_answer", "refusal", "repetition", "other_language", "invalid_json",
    "personal_data_in_input", "personal_data_in_output", "secret_in_input", "secret_in_output",
    "identifier_leak", "contact_leak", "secret_leak", "injection_in_input", "injection_in_context",
    "injection_in_tool_results", "hidden_characters", "system_prompt_leak", "canary_in_output",
    "canary_in_input", "input_tokens", "output_tokens", "cached_share", "time_to_first_token",
    "time_per_output_token", "cost",
))  # fmt: skip
"""The names of the signals of `monitor.signals.registry`, which loads Arrow's compute functions and all patterns."""


def name_of(text: str) -> str:
    """The name of a signal.

    Raises:
        ValueError: it cannot be one, or a built-in signal has it.
    """
    if not _NAME.fullmatch(text):
        msg = f"{text[:80]!r} cannot be the name of a signal (use lower-case letters, digits and underscores)"
        raise ValueError(msg)
    if text in BUILT_IN:
        msg = f"a signal '{text}' is built in; choose another name"
        raise ValueError(msg)
    return text


def target_of(text: str) -> str:
    """A function as `package.module:function`.

    Raises:
        ValueError: it is not written so.
    """
    if not _TARGET.fullmatch(text):
        msg = f"{text[:80]!r} does not name a function (write package.module:function)"
        raise ValueError(msg)
    return text
