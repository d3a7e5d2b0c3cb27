"""Rule files of tests."""


def sensitive_error_rate(keep_firing_for: str = "2s") -> str:
    """HighErrorRate, which fires after ten failed predictions of the last seconds."""
    return f"""\
extend:
  HighErrorRate:
    when:
      any: [{{metric: error_rate, over: open, above: 5%, clear: 4%, confidence: 99.99%, samples: 10}}]
    keep_firing_for: {keep_firing_for}
"""
