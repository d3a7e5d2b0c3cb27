"""A course in one line of a table: a small drawing without axes, with its lowest, highest and newest value in words."""

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

WIDTH, HEIGHT = 100, 24
_PAD = 2


def draw(
    name: str,
    starts: Sequence[int],
    values: Mapping[int, float],
    shown: Callable[[float], str],
    *,
    is_from_zero: bool = True,
) -> Markup:
    """The values at these times as a line that breaks where nothing was measured; one value alone is a dot.

    `is_from_zero` draws from zero to the highest value; otherwise from the lowest to the highest.
    """
    known = [values[at] for at in starts if at in values]
    if not known:
        return Markup('<span class="empty">no data</span>')
    low, high = min(known), max(known)
    title = f"{name}: {shown(low)} to {shown(high)}, last {shown(known[-1])}"
    bottom = min(low, 0.0) if is_from_zero else low
    step = WIDTH / max(1, len(starts) - 1)
    path, pen = [], "M"
    for index, at in enumerate(starts):
        if at not in values:
            pen = "M"
            continue
        path.append(f"{pen}{index * step:.0f} {_height(values[at], bottom, high):.0f}")
        is_alone = pen == "M" and (index + 1 == len(starts) or starts[index + 1] not in values)
        path.append("h0.1" if is_alone else "")
        pen = "L"
    return Markup(  # noqa: S704 - every text above is escaped
        f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img">'
        f'<title>{escape(title)}</title><path d="{"".join(path)}"/></svg>'
    )


def _height(value: float, low: float, high: float) -> float:
    """Pixels from the top; a course without any change lies in the middle, or at the foot where it is zero."""
    room = HEIGHT - 2 * _PAD
    if high - low <= 0:
        return HEIGHT - _PAD if high == 0 else HEIGHT / 2
    return HEIGHT - _PAD - (value - low) / (high - low) * room
