"""Two pictures for the report, drawn as SVG in the page's own colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import floor, log10
from typing import Final, NamedTuple

from quorate.campaign.page import Html

_WIDTH: Final = 960
_POINTS_MAX: Final = 600


class Moment(NamedTuple):
    """How far a campaign was after so many seconds."""

    seconds: float
    seeds: int
    failed: int


def seeds_over_time(moments: Sequence[Moment]) -> Html:
    """How the number of seeds grew; a mark where one failed."""
    height, left, right, top, bottom = 240, 70, 12, 10, 34
    last = moments[-1]
    unit, name = _unit_of(last.seconds)
    wide, high = _WIDTH - left - right, height - top - bottom

    def place(moment: Moment) -> tuple[float, float]:
        across = moment.seconds / max(last.seconds, 1e-9)
        return left + wide * across, top + high * (1 - moment.seeds / max(last.seeds, 1))

    parts = []
    for seeds in _ticks(last.seeds, 4):
        y = top + high * (1 - seeds / max(last.seeds, 1))
        parts.append(f'<line class="grid" x1="{left}" x2="{_WIDTH - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{seeds:,.0f}</text>')
    for tick in _ticks(last.seconds / unit, 8):
        x = left + wide * tick * unit / max(last.seconds, 1e-9)
        parts.append(f'<text x="{x:.1f}" y="{height - 16}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{_WIDTH - right}" y="{height - 2}" text-anchor="end">{name} of running</text>')
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, [Moment(0, 0, 0), *_thinned(moments)]))
    end = place(last)[0]
    parts.append(f'<polygon class="area" points="{line} {end:.1f},{top + high} {left},{top + high}"/>')
    parts.append(f'<polyline class="line" points="{line}"/>')
    for before, moment in zip([Moment(0, 0, 0), *moments], moments, strict=False):
        if moment.failed > before.failed:
            x, y = place(moment)
            parts.append(f'<circle class="fall" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
    return _svg(height, "seeds over time", parts)


def shares(rows: Sequence[tuple[str, int, int]]) -> Html:
    """A bar a row: how much of the whole, and the rest."""
    high, left, right = 22, 170, 150
    wide = _WIDTH - left - right
    parts = []
    for at, (name, part, whole) in enumerate(rows):
        y = at * high
        share = part / whole if whole else 1.0
        parts.append(f'<text class="ink" x="{left - 10}" y="{y + 15}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="back" x="{left}" y="{y + 5}" width="{wide}" height="12" rx="3"/>')
        parts.append(f'<rect class="bar" x="{left}" y="{y + 5}" width="{wide * share:.1f}" height="12" rx="3"/>')
        parts.append(f'<text x="{left + wide + 10}" y="{y + 15}">{share:.0%} ({part} of {whole})</text>')
    return _svg(len(rows) * high + 4, "shares", parts)


def _svg(height: int, title: str, parts: Sequence[str]) -> Html:
    return Html(f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>')


def _unit_of(seconds: float) -> tuple[float, str]:
    if seconds >= 2 * 3600:
        return 3600.0, "hours"
    return (60.0, "minutes") if seconds >= 120 else (1.0, "seconds")


def _ticks(last: float, count: int) -> list[float]:
    """Round numbers from zero up to *last*, about *count* of them."""
    if last <= 0:
        return [0.0]
    rough = last / count
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * at for at in range(int(last / step) + 1)]


def _thinned(moments: Sequence[Moment]) -> list[Moment]:
    step = max(1, len(moments) // _POINTS_MAX)
    return [*moments[:-1:step], moments[-1]]
