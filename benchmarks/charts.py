"""Charts as SVG: lines or points over axes with units, and bars. Pure: numbers in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, log10
from typing import Final, NamedTuple

from quorate.generals.svg import ALARM, HEIGHT, INK, QUIET, WIDTH, Shape, Spot, document, fitting, shape, text

_COLOURS: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#1f2937",
    "#8b46c9",
    "#5b6b1f",
    "#8c564b",
)
"""The first seven are told apart also by the colour-blind (Okabe and Ito)."""
_SHAPES: Final = (Shape.CIRCLE, Shape.SQUARE, Shape.CROSS)
_LEFT, _TOP, _BOTTOM, _RIGHT = 170, 130, 770, 1130
"""The area of the plot; the legend is at its right."""
_LEGEND_LEFT: Final = _RIGHT + 40
_LEGEND_WIDTH: Final = 1.15 * (WIDTH - _LEGEND_LEFT - 60)
"""Wider than there is room, by as much as `fitting` thinks of bold letters, and these are none."""
_LEGEND_STEP: Final = 62
_TITLE, _LABEL, _TICK, _NAME = 38.0, 28.0, 24.0, 24.0
_GRID: Final = "#e5e7eb"


@dataclass(frozen=True, slots=True)
class Axis:
    """What is measured along it, in which unit."""

    label: str
    is_logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together, joined in their order."""

    name: str
    points: Sequence[tuple[float, float]]
    has_marks: bool = True


class Mark(NamedTuple):
    """A vertical line, and what happened there."""

    x: float
    words: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole picture."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    marks: Sequence[Mark] = field(default=())


class _Scale:
    """From values to places."""

    def __init__(self, axis: Axis, values: Sequence[float], first: float, last: float) -> None:
        self._is_logarithmic = axis.is_logarithmic
        self._first, self._last = first, last
        if axis.is_logarithmic:
            self.ticks = decades(min(values), max(values))
            self._low, self._high = log10(self.ticks[0]), log10(self.ticks[-1])
        else:
            self.ticks = steps(min(0.0, *values), max(values))
            self._low, self._high = self.ticks[0], self.ticks[-1]

    def place(self, value: float) -> float:
        """Where it is."""
        position = log10(value) if self._is_logarithmic else value
        return self._first + (self._last - self._first) * (position - self._low) / (self._high - self._low)


def decades(low: float, high: float) -> list[float]:
    """Round numbers from below *low* to above *high* on a logarithmic axis: powers of ten; between few of them, also
    twice and five times these."""
    first, last = floor(log10(low) + 1e-9), ceil(log10(high) - 1e-9)
    last = max(last, first + 1)
    factors = (1, 2, 5) if last - first <= 2 else (1,)
    ticks = [factor * 10.0**power for power in range(first, last) for factor in factors] + [10.0**last]
    below = [tick for tick in ticks if tick <= low * (1 + 1e-9)]
    above = [tick for tick in ticks if tick >= high * (1 - 1e-9)]
    return [tick for tick in ticks if below[-1] <= tick <= max(above[0], ticks[ticks.index(below[-1]) + 1])]


def steps(low: float, high: float, count: int = 6) -> list[float]:
    """Round numbers from below *low* to above *high*, about *count* of them."""
    rough = max(high - low, 1e-9) / count
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), max(ceil(high / step - 1e-9), floor(low / step + 1e-9) + 1)
    return [step * at for at in range(first, last + 1)]


def number(value: float) -> str:
    """As on an axis."""
    return f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:g}"


def draw(chart: Chart) -> str:
    """The chart as an SVG document. It needs at least one point."""
    points = [point for series in chart.series for point in series.points]
    x = _Scale(chart.x, [*(point[0] for point in points), *(mark.x for mark in chart.marks)], _LEFT, _RIGHT)
    y = _Scale(chart.y, [point[1] for point in points], _BOTTOM, _TOP)
    body = [
        text(_LEFT, 70, chart.title, fitting(chart.title, _TITLE, WIDTH - 2 * _LEFT), weight="bold"),
        *_axes(chart, x, y),
    ]
    for mark in chart.marks:
        place = x.place(mark.x)
        body.append(_line(place, _TOP, place, _BOTTOM, ALARM, 3, dashes="8 6"))
        body.append(text(place + 8, _TOP + 26, mark.words, _NAME, ALARM))
    size = min(fitting(line, _NAME, _LEGEND_WIDTH) for series in chart.series for line in in_lines(series.name))
    for order, series in enumerate(chart.series):
        body += _drawn(series, order, x, y)
        body += _named(series, order, size)
    return document(body, chart.title)


def _axes(chart: Chart, x: _Scale, y: _Scale) -> Iterator[str]:
    for tick in y.ticks:
        place = y.place(tick)
        yield _line(_LEFT, place, _RIGHT, place, _GRID, 2)
        yield text(_LEFT - 14, place + 8, number(tick), _TICK, INK, anchor="end")
    for tick in x.ticks:
        place = x.place(tick)
        yield _line(place, _TOP, place, _BOTTOM, _GRID, 2)
        yield text(place, _BOTTOM + 36, number(tick), _TICK, INK, anchor="middle")
    yield _line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, INK, 3)
    yield _line(_LEFT, _TOP, _LEFT, _BOTTOM, INK, 3)
    middle = (_LEFT + _RIGHT) / 2
    yield text(middle, _BOTTOM + 92, chart.x.label, fitting(chart.x.label, _LABEL, _RIGHT - _LEFT), anchor="middle")
    label = fitting(chart.y.label, _LABEL, _BOTTOM - _TOP)
    yield f'<g transform="translate(44 {(_TOP + _BOTTOM) / 2:.1f}) rotate(-90)">'
    yield text(0, 0, chart.y.label, label, anchor="middle")
    yield "</g>"


def _style(order: int) -> tuple[str, Shape]:
    return _COLOURS[order % len(_COLOURS)], _SHAPES[order % len(_SHAPES)]


def _drawn(series: Series, order: int, x: _Scale, y: _Scale) -> Iterator[str]:
    colour, kind = _style(order)
    places = [(x.place(across), y.place(up)) for across, up in series.points]
    joined = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
    yield f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="4" stroke-linejoin="round"/>'
    for across, up in places if series.has_marks else []:
        yield shape(kind, Spot(across, up, 9), colour, colour, 4)


def _named(series: Series, order: int, size: float) -> Iterator[str]:
    colour, kind = _style(order)
    y = _TOP + 30 + order * _LEGEND_STEP
    yield shape(kind, Spot(_LEGEND_LEFT + 12, y - 8, 11), colour, colour, 4)
    for at, line in enumerate(in_lines(series.name)):
        yield text(_LEGEND_LEFT + 40, y + 28 * at, line, size)


def in_lines(words: str, longest: int = 27) -> list[str]:
    """A name in two lines at most, broken where there is a blank."""
    if len(words) <= longest:
        return [words]
    cut = words.rfind(" ", 0, longest + 1)
    return [words[:cut], words[cut + 1 :]] if cut > 0 else [words]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float, dashes: str = "") -> str:
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width:g}"{dashed}/>'
    )


# ------------------------------------------------------------------------------------------------------------ bars


class Bar(NamedTuple):
    """A name and a value."""

    name: str
    value: float
    words: str
    """What stands beside the bar."""
    is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """A picture of bars."""

    title: str
    label: str
    """What the values are, and their unit."""
    bars: Sequence[Bar]
    limit: float
    limit_words: str
    """A line that values are held against."""


_BARS_IN_COLUMN: Final = 26


def draw_bars(chart: Bars) -> str:
    """The bars below each other, in two columns if they are many."""
    columns = 2 if len(chart.bars) > _BARS_IN_COLUMN else 1
    rows = ceil(len(chart.bars) / columns)
    largest = max(chart.limit, *(bar.value for bar in chart.bars))
    width = (WIDTH - 120) / columns
    body = [
        text(60, 70, chart.title, fitting(chart.title, _TITLE, WIDTH - 120), weight="bold"),
        text(60, 112, f"{chart.label}; the dashed line is {chart.limit_words}", _TICK, QUIET),
    ]
    step = min(44.0, (HEIGHT - 170) / rows)
    for column in range(columns):
        chosen = chart.bars[column * rows : (column + 1) * rows]
        left = 60 + column * width
        body += _column(chosen, left, width, step, largest)
        place = left + _bar_left(width) + _bar_width(width) * chart.limit / largest
        body.append(_line(place, 130, place, 140 + step * len(chosen), INK, 3, dashes="8 6"))
    return document(body, chart.title)


def _bar_left(width: float) -> float:
    return 0.3 * width


def _bar_width(width: float) -> float:
    return 0.37 * width


def _column(bars: Sequence[Bar], left: float, width: float, step: float, largest: float) -> Iterator[str]:
    size = min(_NAME, 0.66 * step)
    for at, bar in enumerate(bars):
        y = 140 + at * step
        colour = _COLOURS[1] if bar.is_bad else _COLOURS[0]
        long = _bar_width(width) * bar.value / largest
        start = left + _bar_left(width)
        yield text(start - 12, y + 0.68 * step, bar.name, fitting(bar.name, size, _bar_left(width)), anchor="end")
        yield (
            f'<rect x="{start:.1f}" y="{y + 0.15 * step:.1f}" width="{long:.1f}" height="{0.7 * step:.1f}" '
            f'fill="{colour}"/>'
        )
        yield text(start + _bar_width(width) + 12, y + 0.68 * step, bar.words, size)
