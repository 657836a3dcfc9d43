"""Plots as SVG, from measured figures: lines over time, and bars of parts. No library: a plot is a few dozen tags.

Every plot has its own white ground, so that it reads the same on a light and on a dark page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 820
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 46, 62
_INK, _FAINT = "#1f2933", "#d5dbe1"
_STEPS = (1, 2, 2.5, 5, 10)

COLOURS = {
    "accepted": "#2e7d32",
    "merged": "#9ccc65",
    "rejected": "#c62828",
    "invalid": "#ef6c00",
    "unknown": "#6a1b9a",
    "not_sent": "#90a4ae",
    "not_found": "#00838f",
    "unchanged": "#1565c0",
}
"""One colour for each outcome."""


@dataclass(frozen=True)
class Line:
    """One line of a plot.

    :param name: for the legend.
    :param points: x and y of each point.
    :param colour: as CSS has it.
    :param width: of the stroke, in pixels.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    width: float = 2.0


def lines(
    title: str,
    across: str,
    up: str,
    drawn: Sequence[Line],
    *,
    unit: str = "",
    limit: tuple[float, str] | None = None,
) -> str:
    """Draw lines over a common x, from zero on both axes.

    :param across: what x is; ``up`` what y is, ``unit`` what stands behind its numbers.
    :param limit: a height to mark with a dashed line, and what it is.
    """
    height = 360
    most_x = max((x for line in drawn for x, _ in line.points), default=1.0) or 1.0
    highest = max([y for line in drawn for _, y in line.points] + ([limit[0]] if limit else []), default=1.0)
    most_y = (highest or 1.0) * 1.08
    wide, tall = WIDTH - _LEFT - _RIGHT, height - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + x / most_x * wide, _TOP + tall - y / most_y * tall

    parts = []
    for value in _ticks(most_y):
        _, y = place(0, value)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}" stroke="{_FAINT}"/>'
        )
        parts.append(_text(_LEFT - 8, y + 4, f"{value:,g}{unit}", anchor="end"))
    for value in _ticks(most_x):
        x, _ = place(value, 0)
        parts.append(_text(x, height - _BOTTOM + 18, f"{value:,g}", anchor="middle"))
    for line in drawn:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line.points))
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="{line.width:g}"/>'
        )
    if limit:
        _, y = place(0, limit[0])
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#c62828" '
            'stroke-dasharray="6 4"/>'
        )
        parts.append(_text(WIDTH - _RIGHT, y - 5, limit[1], anchor="end", colour="#c62828"))
    parts.append(_text(_LEFT, 38, up))
    parts.append(_text(WIDTH - _RIGHT, height - _BOTTOM + 34, across, anchor="end"))
    parts += _legend({line.name: line.colour for line in drawn}, height - 12)
    return _svg(title, height, parts)


def bars(title: str, rows: Mapping[str, Mapping[str, int]], colours: Mapping[str, str]) -> str:
    """Draw a bar for each row, as long as all others, cut into the shares of its parts."""
    label, thick, gap = 370, 12, 5
    top = 34
    height = top + len(rows) * (thick + gap) + 36
    wide = WIDTH - label - _RIGHT
    parts = []
    for number, (name, counts) in enumerate(rows.items()):
        y, x = top + number * (thick + gap), float(label)
        parts.append(_text(label - 8, y + thick - 2, name, anchor="end", size=11))
        for part in (part for part in colours if counts.get(part)):
            count = counts[part]
            share = count / (sum(counts.values()) or 1) * wide
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{share:.1f}" height="{thick}" fill="{colours[part]}">'
                f"<title>{escape(name)}: {count:,} {escape(part)}</title></rect>"
            )
            x += share
    shown = {part: colours[part] for part in colours if any(counts.get(part) for counts in rows.values())}
    parts += _legend(shown, height - 12)
    return _svg(title, height, parts)


def _ticks(most: float) -> list[float]:
    """Choose round numbers from zero on, about five of them."""
    power = 10.0 ** (len(str(int(most))) - 1) if most >= 1 else 0.1
    step = next(each * power for each in (*(s / 10 for s in _STEPS), *_STEPS) if most / (each * power) <= 6)
    return [round(step * number, 6) for number in range(int(most / step) + 1)]


def _legend(entries: Mapping[str, str], y: float) -> list[str]:
    parts, x = [], float(_LEFT)
    for name, colour in entries.items():
        parts.append(f'<rect x="{x:.0f}" y="{y - 9:.0f}" width="11" height="11" fill="{colour}"/>')
        parts.append(_text(x + 16, y, name))
        x += 16 + 7 * len(name) + 22
    return parts


def _text(x: float, y: float, said: str, *, anchor: str = "start", colour: str = _INK, size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">'
        f"{escape(said)}</text>"
    )


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    inside = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'font-family="system-ui, sans-serif">\n<title>{escape(title)}</title>\n'
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>\n'
        f'<text x="{_LEFT}" y="20" fill="{_INK}" font-size="15" font-weight="600">{escape(title)}</text>\n'
        f"{inside}\n</svg>\n"
    )
