"""The message tree as a picture: everything is on it, and nothing lies on anything else."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from quorate.generals import (
    ORAL_STRATEGIES,
    SIGNED_STRATEGIES,
    GeneralsError,
    Problem,
    Run,
    graph_from_text,
    oral_messages,
    oral_messages_on_graph,
    signed_messages,
    three_worlds,
)
from quorate.generals.picture import LEAVES_MAX, Scene, slide, slide_side_by_side
from quorate.generals.signed_traitors import Letter, Vantage
from quorate.generals.svg import HEIGHT, WIDTH, Palette
from quorate.generals.tree import Box, Node, oral_tree, spots, tree_of

SVG = "{http://www.w3.org/2000/svg}"


def om(n: int, m: int, traitors: set[int], name: str = "split", **more: object) -> Run:
    problem = Problem(n, m, traitors=frozenset(traitors), **more)  # type: ignore[arg-type]
    return oral_messages(problem, ORAL_STRATEGIES[name])


def sm(n: int, m: int, traitors: set[int], name: str = "split") -> Run:
    return signed_messages(Problem(n, m, traitors=frozenset(traitors)), SIGNED_STRATEGIES[name])


RUNS = {
    "om": om(4, 1, {3}),
    "om-7": om(7, 2, {0, 3}, "random"),
    "om-10": om(10, 3, {1}, "late"),
    "om-0": om(1, 0, set()),
    "om-12": om(12, 1, set(range(11)), order="hold <the> bridge & wait for the others", commander=11),
    "graph": oral_messages_on_graph(Problem(6, 1), graph_from_text(6, "circulant:1,3"), ORAL_STRATEGIES["split"]),
    "forged": sm(5, 2, {0, 1}, "forged"),
    "late": sm(5, 2, {0, 1}, "late"),
    "silent": sm(3, 1, {0}, "silent"),
    "repeated": sm(6, 3, {2, 3}, "repeated-signer"),
}

each_run = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.get(name, "nan")) for name in names]


@each_run
def test_the_picture_is_well_formed_and_inside_its_frame(run: Run) -> None:
    root = ElementTree.fromstring(slide(Scene(run, "A heading", "A conclusion")))

    assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    for text in root.iter(f"{SVG}text"):
        x, y, size = numbers(text, "x", "y", "font-size")
        width = 0.66 * size * len(text.text or "")
        left = {"start": x, "middle": x - width / 2, "end": x - width}[text.get("text-anchor", "")]
        assert 0 <= left <= left + width <= WIDTH, text.text
        assert size <= y < HEIGHT
    for circle in root.iter(f"{SVG}circle"):
        x, y, radius = numbers(circle, "cx", "cy", "r")
        assert radius <= x <= WIDTH - radius
        assert radius <= y <= HEIGHT - radius


@each_run
def test_no_mark_touches_another_of_its_round(run: Run) -> None:
    nodes = tree_of(run, LEAVES_MAX)
    placed = list(zip(nodes, spots(nodes, Box(0, 0, 1400, 500)), strict=True))

    for round_ in {node.round for node in nodes}:
        row = sorted((spot for node, spot in placed if node.round == round_), key=lambda spot: spot.x)
        assert all(a.x + a.radius < b.x - b.radius for a, b in pairwise(row))


def descent(nodes: Sequence[Node], place: int | None) -> list[int]:
    """The receivers from the commander's lieutenant down to this node."""
    if place is None:
        return []
    node = nodes[place]
    return [*descent(nodes, node.parent), node.receiver]


def test_every_message_hangs_under_the_one_that_its_sender_passed_on() -> None:
    run = oral_messages(Problem(5, 2), ORAL_STRATEGIES["split"])
    nodes = oral_tree(run.problem, run.owed())

    assert [descent(nodes, place) for place in range(len(nodes))] == [
        [*message.path[1:], message.receiver] for message in run.owed()
    ]


def test_signed_chains_hang_under_their_beginnings() -> None:
    run = signed_messages(Problem(6, 2, traitors=frozenset({0})), SIGNED_STRATEGIES["split"])
    nodes = tree_of(run, LEAVES_MAX)

    assert [descent(nodes, place) for place in range(len(nodes))] == [
        [*message.signed_order.signers[1:], message.receiver] for message in run.messages
    ]


def test_a_chain_that_comes_too_early_hangs_under_no_message_of_its_own_round() -> None:
    def hasty(vantage: Vantage) -> Iterator[Letter]:
        if vantage.round == 1 and vantage.is_commander:
            yield Letter(1, vantage.issue("attack"))
        elif vantage.round == 1:
            yield Letter(2, vantage.keyring.sign(vantage.issue("attack"), 1))

    nodes = tree_of(signed_messages(Problem(4, 2, traitors=frozenset({0, 1})), hasty), LEAVES_MAX)

    assert [(node.receiver, node.parent) for node in nodes if node.round == 1] == [(1, None), (2, None)]


def test_hops_on_a_graph_hang_under_the_hop_before() -> None:
    graph = graph_from_text(8, "circulant:1,4")
    run = oral_messages_on_graph(Problem(8, 1), graph, ORAL_STRATEGIES["split"])
    nodes = tree_of(run, LEAVES_MAX)

    assert [descent(nodes, place) for place in range(len(nodes))] == [
        [*message.path[1:], message.receiver] for message in run.messages()
    ]


def test_rounds_that_have_no_room_are_counted_instead() -> None:
    drawn = tree_of(RUNS["om-10"], LEAVES_MAX)

    assert len(drawn) == 9 + 9 * 8
    assert "3,528 messages of later rounds are not drawn" in slide(Scene(RUNS["om-10"], "", ""))


def test_a_round_that_is_too_wide_is_refused() -> None:
    with pytest.raises(GeneralsError, match="too wide"):
        slide(Scene(om(LEAVES_MAX + 2, 0, set()), "", ""))


def test_a_large_run_is_drawn_without_building_its_tree() -> None:
    assert len(tree_of(om(13, 4, {0, 5}), LEAVES_MAX)) == 12 + 12 * 11


def test_dropped_silent_and_late_messages_are_marked() -> None:
    forged, random, late = (slide(Scene(RUNS[name], "", "")) for name in ("forged", "om-7", "om-10"))

    assert ">dropped<" in forged
    assert ">nothing<" in random
    assert ">too late<" in late
    assert ">dropped<" not in random


def test_orders_have_colours_of_their_own() -> None:
    palette = Palette(["attack", "retreat", "wait", "hold", None])

    assert len({palette.colour(said) for said in ("attack", "retreat", "wait", "hold", None)}) == 5


def test_markup_in_orders_stays_text() -> None:
    assert "hold &lt;the&gt; bridge &amp; wait" in slide(Scene(RUNS["om-12"], "", ""))


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_three_worlds_side_by_side(m: int) -> None:
    scenes = [Scene(world.run, "World", "Conclusion") for world in three_worlds(3 * m, m)]
    root = ElementTree.fromstring(slide_side_by_side(scenes, "Heading", "Subtitle"))

    xs = [x for circle in root.iter(f"{SVG}circle") for x in numbers(circle, "cx")]
    assert 0 < min(xs) < max(xs) < WIDTH
