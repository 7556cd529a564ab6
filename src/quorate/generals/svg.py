"""The few SVG elements that the pictures are made of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from xml.sax.saxutils import escape

from quorate.generals.orders import ATTACK, RETREAT, Late, Order, Utterance

WIDTH, HEIGHT, MARGIN = 1600, 900, 60
"""A slide, 16:9. The ground is drawn, so the picture looks the same on dark pages."""

WORDS_MAX = 60
WIDTH_OF_LETTER = 0.66
"""Of a wide typeface, bold, as a part of its size."""

INK, QUIET, ALARM, GROUND, SILENCE = "#1f2937", "#6b7280", "#c01622", "#ffffff", "#9ca3af"

_OWN_COLOURS: Mapping[Order, str] = {ATTACK: "#1d6fd1", RETREAT: "#e8890c"}
_MORE_COLOURS = ("#0f9d76", "#8b46c9", "#c2357f", "#5b6b1f")


class Shape(Enum):
    CIRCLE = "circle"
    SQUARE = "square"
    DASHED = "dashed"
    CROSS = "cross"


@dataclass(frozen=True)
class Spot:
    x: float
    y: float
    radius: float


@dataclass(frozen=True)
class Mark:
    """A small sign and what it means."""

    shape: Shape
    colour: str
    words: str


class Palette:
    """A colour for every order that is said in a run."""

    def __init__(self, said: Iterable[Utterance]) -> None:
        orders = sorted({each.order if isinstance(each, Late) else each for each in said if each is not None})
        others = [order for order in orders if order not in _OWN_COLOURS]
        more = {order: _MORE_COLOURS[place % len(_MORE_COLOURS)] for place, order in enumerate(others)}
        self._colours = {order: _OWN_COLOURS.get(order) or more[order] for order in orders}

    def colour(self, utterance: Utterance) -> str:
        order = utterance.order if isinstance(utterance, Late) else utterance
        return SILENCE if order is None else self._colours.get(order) or _OWN_COLOURS.get(order, INK)

    def marks(self) -> list[Mark]:
        return [Mark(Shape.CIRCLE, colour, order) for order, colour in self._colours.items()]


def text(
    x: float, y: float, words: str, size: float, fill: str = INK, weight: str = "normal", anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def fitting(words: str, size: float, width: float) -> float:
    """The size at which the words are no wider than that."""
    return min(size, width / (WIDTH_OF_LETTER * max(len(words), 1)))


def shape(kind: Shape, spot: Spot, fill: str, stroke: str, stroke_width: float) -> str:
    x, y, r = spot.x, spot.y, spot.radius
    paint = f'fill="{fill}" stroke="{stroke}" stroke-width="{stroke_width:.1f}"'
    if kind is Shape.CIRCLE:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" {paint}/>'
    if kind is Shape.DASHED:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" {paint} stroke-dasharray="4 3"/>'
    if kind is Shape.SQUARE:
        return f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r:.1f}" height="{2 * r:.1f}" {paint}/>'
    return (
        f'<path d="M{x - r:.1f} {y - r:.1f}L{x + r:.1f} {y + r:.1f}M{x - r:.1f} {y + r:.1f}'
        f'L{x + r:.1f} {y - r:.1f}" {paint}/>'
    )


def curve(above: Spot, below: Spot, colour: str, width: float, *, is_dashed: bool) -> str:
    bend = (above.y + below.y) / 2
    dashes = ' stroke-dasharray="6 5"' if is_dashed else ""
    return (
        f'<path d="M{above.x:.1f} {above.y:.1f}C{above.x:.1f} {bend:.1f} {below.x:.1f} {bend:.1f} '
        f'{below.x:.1f} {below.y:.1f}" fill="none" stroke="{colour}" stroke-width="{width:.1f}" '
        f'stroke-opacity="0.6"{dashes}/>'
    )


def row_of_marks(marks: Sequence[Mark], left: float, y: float, size: float = 22) -> Iterator[str]:
    """Marks with their words, one after another."""
    for mark in marks:
        is_filled = mark.shape is Shape.CIRCLE
        fill = mark.colour if is_filled else GROUND
        yield shape(mark.shape, Spot(left + 9, y - 7, 9), fill, mark.colour, 1.0 if is_filled else 3.0)
        words = mark.words if len(mark.words) <= WORDS_MAX else f"{mark.words[: WORDS_MAX - 1]}…"
        yield text(left + 28, y, words, size)
        left += 28 + 0.6 * size * len(words) + 40


def document(body: Iterable[str], title: str) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="Helvetica, Arial, \'DejaVu Sans\', sans-serif" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{GROUND}"/>',
            *body,
            "</svg>\n",
        ]
    )
