"""Pictures of runs, for slides: the message tree, who decided what, and the verdicts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quorate.generals.orders import Late, Order
from quorate.generals.problem import Run
from quorate.generals.svg import (
    ALARM,
    GROUND,
    INK,
    MARGIN,
    QUIET,
    SILENCE,
    WIDTH,
    Mark,
    Palette,
    Shape,
    Spot,
    curve,
    document,
    fitting,
    row_of_marks,
    shape,
    text,
)
from quorate.generals.tree import RADIUS_MAX, Box, Node, spots, tree_of

LEAVES_MAX = 230
INNER = WIDTH - 2 * MARGIN
NUMBERS_LISTED_MAX = 16
KEY = "Each mark below the commander is a message: its number is the receiver's, its colour what he was told."
NUMBER_INSIDE_RADIUS_MIN = 9.0
NUMBER_BELOW_RADIUS_MIN = 3.6


@dataclass(frozen=True)
class Scene:
    """A run whose tree is drawn between a heading and a conclusion."""

    run: Run
    heading: str
    conclusion: str


def slide(scene: Scene) -> str:
    """One run as a slide."""
    run = scene.run
    nodes = tree_of(run, LEAVES_MAX)
    palette = Palette(node.said for node in nodes)
    box = Box(170, 178, WIDTH - MARGIN - 170, 490)
    body = [
        text(MARGIN, 76, scene.heading, fitting(scene.heading, 38, INNER), weight="bold"),
        text(MARGIN, 120, scene.conclusion, fitting(scene.conclusion, 23, INNER), fill=QUIET if run.holds else ALARM),
        *_tree(run, nodes, box, palette),
        *_round_labels(nodes, box),
        text(MARGIN, 764, "decide", 22, weight="bold"),
        *row_of_marks(_decisions(run, palette), 170, 764),
        text(MARGIN, 830, "marks", 22, weight="bold"),
        *row_of_marks(_legend(nodes, palette, has_traitor=bool(run.problem.traitors)), 170, 830),
        text(170, 868, KEY, 18, fill=QUIET),
    ]
    undrawn = sum(run.sent_by_round[max((node.round for node in nodes), default=0) :])
    if undrawn:
        note = f"{undrawn:,} messages of later rounds are not drawn"
        body.append(text(WIDTH - MARGIN, 720, note, 20, fill=QUIET, anchor="end"))
    return document(body, scene.heading)


def slide_side_by_side(scenes: Sequence[Scene], heading: str, subtitle: str) -> str:
    """Several runs beside one another."""
    trees = [tree_of(scene.run, LEAVES_MAX // len(scenes)) for scene in scenes]
    nodes = [node for tree in trees for node in tree]
    palette = Palette(node.said for node in nodes)
    width = (INNER + MARGIN) / len(scenes)
    body = [
        text(MARGIN, 76, heading, fitting(heading, 38, INNER), weight="bold"),
        text(MARGIN, 120, subtitle, fitting(subtitle, 23, INNER), fill=QUIET),
    ]
    for column, (scene, tree) in enumerate(zip(scenes, trees, strict=True)):
        left = MARGIN + column * width
        ink = INK if scene.run.holds else ALARM
        body += [
            text(left, 206, scene.heading, fitting(scene.heading, 26, width - MARGIN), weight="bold"),
            *_tree(scene.run, tree, Box(left, 270, width - MARGIN, 380), palette),
            text(left, 736, scene.conclusion, fitting(scene.conclusion, 24, width - MARGIN), ink, "bold"),
        ]
    body += [
        text(MARGIN, 830, "marks", 22, weight="bold"),
        *row_of_marks(_legend(nodes, palette, has_traitor=True), 170, 830),
        text(170, 868, KEY, 18, fill=QUIET),
    ]
    return document(body, heading)


def _tree(run: Run, nodes: Sequence[Node], box: Box, palette: Palette) -> Iterator[str]:
    places = spots(nodes, box)
    below_root = [spot.x for spot, node in zip(places, nodes, strict=True) if node.parent is None]
    middle = (min(below_root) + max(below_root)) / 2 if below_root else box.left + box.width / 2
    root = Spot(middle, box.top, RADIUS_MAX + 3)
    for node, spot in zip(nodes, places, strict=True):
        above = root if node.parent is None else places[node.parent]
        width = max(1.2, min(4.5, spot.radius / 5))
        yield curve(above, spot, palette.colour(node.said), width, is_dashed=not _is_heard(node))
    yield from _general(root, run.problem.commander, INK, INK, not run.problem.is_commander_loyal)
    for node, spot in zip(nodes, places, strict=True):
        colour = palette.colour(node.said)
        fill = colour if _is_heard(node) else GROUND
        yield from _general(spot, node.receiver, fill, colour, node.is_traitor)
        if node.is_dropped:
            yield shape(Shape.CROSS, Spot(spot.x, spot.y - spot.radius - 14, 8), "none", ALARM, 3.0)


def _is_heard(node: Node) -> bool:
    return isinstance(node.said, str) and not node.is_dropped


def _general(spot: Spot, number: int, fill: str, ink: str, is_traitor: bool) -> Iterator[str]:
    """A circle for the loyal; for a traitor a square with a red border, to be told apart without colour."""
    if is_traitor:
        yield shape(Shape.SQUARE, spot, fill, ALARM, max(1.5, min(5.0, spot.radius / 4)))
    else:
        yield shape(Shape.DASHED if fill == GROUND else Shape.CIRCLE, spot, fill, ink, max(1.0, spot.radius / 10))
    if spot.radius >= NUMBER_INSIDE_RADIUS_MIN:
        size = spot.radius * (1.0 if number < 100 else 0.7)
        colour = ink if fill == GROUND else GROUND
        yield text(spot.x, spot.y + 0.36 * size, str(number), size, colour, "bold", "middle")
    elif spot.radius >= NUMBER_BELOW_RADIUS_MIN:
        yield text(spot.x, spot.y + spot.radius + 13, str(number), 2 * spot.radius + 2, QUIET, anchor="middle")


def _round_labels(nodes: Sequence[Node], box: Box) -> Iterator[str]:
    rounds = sorted({node.round for node in nodes})
    yield text(MARGIN, box.top + 7, "commander", 20, fill=QUIET)
    for round_ in rounds:
        yield text(MARGIN, box.top + box.height * round_ / rounds[-1] + 7, f"round {round_}", 20, fill=QUIET)


def _decisions(run: Run, palette: Palette) -> list[Mark]:
    generals: dict[Order, list[int]] = {}
    for general, order in run.decisions.items():
        generals.setdefault(order, []).append(general)
    return [Mark(Shape.CIRCLE, palette.colour(order), f"{order}: {_numbers(each)}") for order, each in generals.items()]


def _numbers(generals: Sequence[int]) -> str:
    listed = ", ".join(map(str, generals[:NUMBERS_LISTED_MAX]))
    more = len(generals) - NUMBERS_LISTED_MAX
    return f"{listed} and {more} more" if more > 0 else listed


def _legend(nodes: Sequence[Node], palette: Palette, *, has_traitor: bool) -> list[Mark]:
    marks = palette.marks()
    if any(node.said is None for node in nodes):
        marks.append(Mark(Shape.DASHED, SILENCE, "nothing"))
    if any(isinstance(node.said, Late) for node in nodes):
        marks.append(Mark(Shape.DASHED, INK, "too late"))
    if has_traitor:
        marks.append(Mark(Shape.SQUARE, ALARM, "traitor"))
    if any(node.is_dropped for node in nodes):
        marks.append(Mark(Shape.CROSS, ALARM, "dropped"))
    return marks
