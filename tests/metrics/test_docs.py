"""docs/metrics.md describes each metric once, as the code defines it."""

import re
from pathlib import Path

from monitor.metrics import METRICS

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def sections() -> dict[str, str]:
    parts = re.split(r"^### `(\w+)`$", PAGE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_each_metric_is_documented_once_and_as_it_is():
    written = sections()
    assert sorted(written) == sorted(info.name for info in METRICS)
    assert len(re.findall(r"^### `", PAGE, flags=re.MULTILINE)) == len(METRICS)
    for info in METRICS:
        text = written[info.name]
        assert info.help in text
        assert f"- formula: {info.formula}" in text
        assert f"- needs: {info.needs}" in text
        assert f"unit: {info.unit or 'none'}; better: {info.better.value}" in text
        for name in info.labels:
            assert f"`{name}`" in text


def test_names_are_given_once():
    names = [info.name for info in METRICS]
    assert len(names) == len(set(names))
