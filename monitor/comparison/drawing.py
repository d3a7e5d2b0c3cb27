"""Draws distributions before and after as SVG: no script, no style attribute, colours by class."""

from collections.abc import Sequence
from html import escape

from monitor.comparison.distribution import LabelShares, NumberHistograms, NumberSide

WIDTH, _HEIGHT = 340, 104
_PLOT, _BOXES = 62, (72, 84)
_LEFT, _RIGHT = 4, WIDTH - 4
_ROW = 22
_NAME, _BAR = 120, 170
_LONGEST = 18


def draw(shown: NumberHistograms | LabelShares, title: str) -> str:
    """A picture: histograms with quantile boxes for numbers, pairs of bars for labels."""
    inner, height = _numbers(shown) if isinstance(shown, NumberHistograms) else _labels(shown)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{inner}</svg>"
    )


def number(value: float) -> str:
    """A figure in four digits: `0.0123`, `1,234`, `1.2e+09`."""
    if value != 0 and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def percent(share: float) -> str:
    """`12.3 %`."""
    return f"{share * 100:.1f} %"


def _numbers(shown: NumberHistograms) -> tuple[str, int]:
    highest = max(float(shown.before.bins.max()), float(shown.after.bins.max())) or 1.0
    step = (_RIGHT - _LEFT) / len(shown.before.bins)
    outlines = [
        _steps([share / highest for share in side.bins], step) for side in (shown.before, shown.after)
    ]
    parts = [
        f'<path class="a" d="M{_LEFT} {_PLOT}{outlines[0]}V{_PLOT}Z"/>',
        f'<path class="b" d="M{_LEFT} {_PLOT}{outlines[1]}V{_PLOT}"/>',
        f'<path class="x" d="M{_LEFT} {_PLOT}H{_RIGHT}"/>',
        _box(shown, shown.before, _BOXES[0], "a"),
        _box(shown, shown.after, _BOXES[1], "b"),
        f'<text x="{_LEFT}" y="{_HEIGHT - 4}">{escape(number(shown.low))}</text>',
        f'<text x="{_RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">{escape(number(shown.high))}</text>',
    ]
    return "".join(parts), _HEIGHT


def _steps(heights: Sequence[float], step: float) -> str:
    """The outline of a histogram; `heights` are 0 to 1."""
    return "".join(
        f"V{_PLOT - height * (_PLOT - 4):.1f}H{_LEFT + (i + 1) * step:.1f}"
        for i, height in enumerate(heights)
    )


def _box(shown: NumberHistograms, side: NumberSide, y: float, name: str) -> str:
    """The 5th to the 95th percentile as a line, the quartiles as a box, the median as a bar."""
    if not side.n:
        return ""

    def x(value: float) -> float:
        share = (value - shown.low) / (shown.high - shown.low)
        return _LEFT + min(max(share, 0.0), 1.0) * (_RIGHT - _LEFT)

    p5, p25, p50, p75, p95 = (round(x(value), 1) for value in side.quantiles[1:-1])
    return (
        f'<path class="{name}w" d="M{p5} {y}H{p95}"/>'
        f'<rect class="{name}q" x="{p25}" y="{y - 4}" width="{max(p75 - p25, 1):.1f}" height="8"/>'
        f'<path class="{name}m" d="M{p50} {y - 5}v10"/>'
    )


def _labels(shown: LabelShares) -> tuple[str, int]:
    largest = max(*shown.before, *shown.after) or 1.0
    parts = []
    for row, (name, before, after) in enumerate(zip(shown.names, shown.before, shown.after, strict=True)):
        y = row * _ROW
        text = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
        parts.append(
            f'<text x="0" y="{y + 14}">{escape(text)}</text>'
            f'<rect class="aq" x="{_NAME}" y="{y + 2}" width="{before / largest * _BAR:.1f}" height="8"/>'
            f'<rect class="bq" x="{_NAME}" y="{y + 11}" width="{after / largest * _BAR:.1f}" height="8"/>'
            f'<text x="{WIDTH}" y="{y + 10}" text-anchor="end">{percent(before)}</text>'
            f'<text x="{WIDTH}" y="{y + 20}" text-anchor="end">{percent(after)}</text>'
        )
    return "".join(parts), len(shown.names) * _ROW
