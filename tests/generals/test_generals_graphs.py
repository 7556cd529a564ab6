"""Generals who cannot all reach one another: OM(m, p) and SM(m+d-1) (L82 section 5)."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.generals import (
    ATTACK,
    ORAL_STRATEGIES,
    RETREAT,
    SIGNED_STRATEGIES,
    GeneralsError,
    Graph,
    Late,
    Problem,
    complete_graph,
    graph_from_edges,
    graph_from_text,
    oral_messages,
    oral_messages_on_graph,
    signed_messages,
)
from quorate.generals.graph import circulant_graph, line_graph
from quorate.generals.oral_graph import messages_at_least
from quorate.generals.regular_sets import disjoint_routes, find_regular_set, require_regular

CUBE = graph_from_edges(8, ((a, a ^ bit) for a in range(8) for bit in (1, 2, 4)))
K33 = circulant_graph(6, (1, 3))
PETERSEN = graph_from_edges(
    10, [arc for i in range(5) for arc in ((i, (i + 1) % 5), (i, i + 5), (i + 5, (i + 2) % 5 + 5))]
)
THREE_REGULAR = {"cube": CUBE, "K3,3": K33, "Petersen": PETERSEN, "Moebius ladder": circulant_graph(8, (1, 4))}


def is_regular(graph: Graph, p: int) -> bool:
    return all(find_regular_set(graph, general, p) for general in graph.adjacency)


@pytest.mark.parametrize("graph", THREE_REGULAR.values(), ids=THREE_REGULAR)
def test_regular_sets_are_proved_by_their_routes(graph: Graph) -> None:
    """Definition 1: along arcs, not through i, and with nothing in common but k."""
    for i in graph.adjacency:
        chosen = find_regular_set(graph, i, 3)
        assert chosen is not None
        assert set(chosen.members) <= set(graph.neighbours(i))
        assert set(chosen.routes) == set(graph.adjacency) - {i}
        for k, routes in chosen.routes.items():
            assert {route[0] for route in routes.values()} == set(chosen.members)
            assert all(route[-1] == k and i not in route for route in routes.values())
            assert all(b in graph.neighbours(a) for route in routes.values() for a, b in pairwise(route))
            before_k = [general for route in routes.values() for general in route[:-1]]
            assert len(before_k) == len(set(before_k))


def test_a_graph_that_is_not_3_regular_although_everybody_has_3_neighbours() -> None:
    """Two groups of four joined by two arcs: every path from one group to the other takes one of the two."""
    left = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    graph = graph_from_edges(8, [*left, *((a + 4, b + 4) for a, b in left), (0, 4), (1, 5)])

    assert all(len(graph.neighbours(general)) >= 3 for general in range(8))
    with pytest.raises(GeneralsError, match="not 3-regular: general 0 has no regular set of 3"):
        require_regular(graph, 3)


@pytest.mark.parametrize("text", ["line", "ring", "edges:0-1,0-2,0-3,1-2"])
def test_graphs_that_are_refused_for_oral_messages(text: str) -> None:
    graph = graph_from_text(4, text) if text != "ring" else graph_from_text(5, text)

    with pytest.raises(GeneralsError, match="not 3-regular"):
        oral_messages_on_graph(Problem(len(graph.adjacency), 1), graph, ORAL_STRATEGIES["split"])


def test_a_3m_regular_graph_of_3m_plus_1_generals_is_complete() -> None:
    for missing in combinations(range(4), 2):
        rest = graph_from_edges(4, (arc for arc in combinations(range(4), 2) if arc != missing))
        assert not is_regular(rest, 3)
    assert is_regular(complete_graph(4), 3)


def test_the_papers_note_on_removing_a_general_has_exceptions() -> None:
    """L82: "removing a single node from a p-regular graph leaves a (p-1)-regular graph"."""
    assert is_regular(K33, 3)
    assert not is_regular(K33.without(0), 2)
    assert is_regular(CUBE.without(0), 2)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_as_many_disjoint_routes_as_the_smallest_cut(data: st.DataObject) -> None:
    """Menger's theorem, the cut found by trying all."""
    n = data.draw(st.integers(3, 6))
    graph = graph_from_edges(n, data.draw(st.sets(st.sampled_from(list(combinations(range(n), 2))))))
    starts = tuple(sorted(data.draw(st.sets(st.integers(1, n - 1), min_size=1))))

    def is_cut(cut: tuple[int, ...]) -> bool:
        rest = graph.only(frozenset(range(n)) - set(cut))
        return not any(start in rest.adjacency and 0 in rest.distances(start) for start in starts)

    smallest = next(size for size in range(n) if any(is_cut(cut) for cut in combinations(range(1, n), size)))
    assert len(disjoint_routes(graph, starts, 0)) == smallest


def test_a_route_gives_way_to_another_that_has_no_other_way() -> None:
    """The shortest way from 1 leads over 3, the only way from 2 as well."""
    graph = graph_from_edges(6, [(1, 3), (3, 0), (2, 3), (1, 4), (4, 5), (5, 0)])

    assert disjoint_routes(graph, (1, 2), 0) == {1: (1, 4, 5, 0), 2: (2, 3, 0)}


@pytest.mark.parametrize("graph", THREE_REGULAR.values(), ids=THREE_REGULAR)
@pytest.mark.parametrize("name", ORAL_STRATEGIES)
def test_theorem_3_om_1_3_withstands_any_single_traitor(graph: Graph, name: str) -> None:
    n = len(graph.adjacency)
    for traitor, order in ((traitor, order) for traitor in range(n) for order in (ATTACK, RETREAT)):
        run = oral_messages_on_graph(
            Problem(n, 1, order, commander=n - 1, traitors=frozenset({traitor})), graph, ORAL_STRATEGIES[name]
        )
        assert run.outside_bound == ""
        assert run.holds


def test_theorem_3_om_2_6_withstands_any_two_traitors() -> None:
    """Eight generals, nobody linked with the one opposite: the sparsest 6-regular graph of eight."""
    graph = circulant_graph(8, (1, 2, 3))
    for traitors in combinations(range(8), 2):
        for name in ("split", "random", "colluding"):
            assert oral_messages_on_graph(
                Problem(8, 2, traitors=frozenset(traitors)), graph, ORAL_STRATEGIES[name]
            ).holds


@pytest.mark.parametrize("name", ORAL_STRATEGIES)
@pytest.mark.parametrize(("n", "m"), [(4, 1), (7, 2)])
def test_on_a_complete_graph_om_m_3m_is_om_m(n: int, m: int, name: str) -> None:
    problem = Problem(n, m, traitors=frozenset({0, n - 1}), seed=1)
    on_graph = oral_messages_on_graph(problem, complete_graph(n), ORAL_STRATEGIES[name])
    plain = oral_messages(problem, ORAL_STRATEGIES[name])

    assert sorted(map(str, on_graph.messages())) == sorted(map(str, plain.messages()))
    assert on_graph.decisions == plain.decisions
    assert on_graph.sent_by_round == plain.sent_by_round


def test_two_traitors_break_om_1_3_on_the_cube() -> None:
    broken = [
        pair
        for pair in combinations(range(8), 2)
        if not oral_messages_on_graph(Problem(8, 1, traitors=frozenset(pair)), CUBE, ORAL_STRATEGIES["colluding"]).holds
    ]

    assert broken


def test_a_traitor_on_the_way_spoils_what_he_carries() -> None:
    run = oral_messages_on_graph(Problem(8, 1, traitors=frozenset({3})), CUBE, ORAL_STRATEGIES["constant"])
    carried = [message for message in run.messages() if message.path[-1] == 3]

    assert carried
    assert {message.said for message in carried} == {RETREAT}
    assert all(message.receiver in CUBE.neighbours(3) for message in carried)
    assert run.holds


def test_silence_travels() -> None:
    """A station that was handed nothing hands on nothing; the addressee takes it for retreat."""
    run = oral_messages_on_graph(Problem(8, 1, traitors=frozenset({1})), CUBE, ORAL_STRATEGIES["silent"])

    assert all(message.path[1:2] != (1,) for message in run.messages())
    assert run.holds


def test_what_comes_late_goes_no_further() -> None:
    run = oral_messages_on_graph(Problem(8, 1, traitors=frozenset({3})), CUBE, ORAL_STRATEGIES["late"])
    late = {(message.path, message.receiver) for message in run.messages() if isinstance(message.said, Late)}

    assert late
    assert {path[-1] for path, _ in late} == {3}
    assert not any((message.path[:-1], message.path[-1]) in late for message in run.messages())


def test_every_hop_is_along_an_arc_in_the_round_of_its_length() -> None:
    for message in oral_messages_on_graph(Problem(10, 1), PETERSEN, ORAL_STRATEGIES["split"]).messages():
        assert message.receiver in PETERSEN.neighbours(message.path[-1])
        assert message.round == len(message.path)


@pytest.mark.parametrize(
    ("n", "m", "p", "complaint"),
    [
        (4, 0, None, "defined for m >= 1"),
        (4, 2, None, "p is 6, but OM\\(2, p\\) with 4 generals needs a p from 2 to 3"),
        (8, 2, 1, "p is 1"),
        (30, 1, None, "up to 24 generals"),
    ],
)
def test_what_om_m_p_is_not_defined_for(n: int, m: int, p: int | None, complaint: str) -> None:
    with pytest.raises(GeneralsError, match=complaint):
        oral_messages_on_graph(Problem(n, m), complete_graph(n), ORAL_STRATEGIES["split"], p)


def test_om_m_p_too_large_is_refused_with_the_count() -> None:
    with pytest.raises(GeneralsError, match=f"{messages_at_least(22, 7, 21):,}"):
        oral_messages_on_graph(Problem(22, 7), complete_graph(22), ORAL_STRATEGIES["split"])


def test_p_below_3m_is_outside_the_bound() -> None:
    run = oral_messages_on_graph(Problem(6, 1), K33, ORAL_STRATEGIES["split"], 2)

    assert run.outside_bound == "p = 2 is below 3m = 3"


def sm(
    n: int, m: int, graph: Graph, traitors: set[int], name: str = "silent", depth: int | None = None, **more: object
):
    problem = Problem(n, m, traitors=frozenset(traitors), **more)  # type: ignore[arg-type]
    return signed_messages(problem, SIGNED_STRATEGIES[name], graph, depth)


@pytest.mark.parametrize("n", [2, 3, 5, 7])
def test_along_a_line_the_order_takes_as_many_rounds_as_there_are_arcs(n: int) -> None:
    """Without traitors m+d-1 = n-2 is just enough: one round less and the last lieutenant hears nothing."""
    run = sm(n, 0, line_graph(n), set())
    too_short = sm(n, 0, line_graph(n), set(), depth=n - 3) if n > 2 else None

    assert run.algorithm == f"SM({n - 2})"
    assert run.holds
    assert too_short is None or not too_short.ic2
    assert too_short is None or too_short.outside_bound == f"SM({n - 3}) is not deep enough: this takes SM({n - 2})"


@pytest.mark.parametrize("name", SIGNED_STRATEGIES)
@pytest.mark.parametrize(
    ("graph", "m"),
    [(circulant_graph(6, (1,)), 1), (CUBE, 2), (PETERSEN, 2), (circulant_graph(7, (1, 2)), 3)],
    ids=["ring", "cube", "Petersen", "circulant"],
)
def test_theorem_4_sm_withstands_m_traitors_where_the_loyal_are_connected(graph: Graph, m: int, name: str) -> None:
    n = len(graph.adjacency)
    for traitors in list(combinations(range(n), m))[:20]:
        run = sm(n, m, graph, set(traitors), name)
        if not run.outside_bound:
            assert run.holds, traitors
            assert len(set(run.orders_held.values())) <= 1


def test_most_of_those_sets_of_traitors_are_inside_the_bound() -> None:
    inside = [pair for pair in combinations(range(8), 2) if not sm(8, 2, CUBE, set(pair)).outside_bound]

    assert len(inside) == 28, "the cube stays connected without any two of its corners"


def test_corollary_sm_n_minus_2_works_whatever_the_number_of_traitors() -> None:
    """If the loyal generals are connected (corollary to Theorem 4)."""
    ring = circulant_graph(6, (1,))
    for first in range(6):
        traitors = {first, (first + 1) % 6, (first + 2) % 6}
        for name in SIGNED_STRATEGIES:
            assert sm(6, 3, ring, traitors, name, depth=4).holds


def test_loyal_generals_whom_traitors_separate() -> None:
    run = sm(5, 1, line_graph(5), {2})

    assert run.outside_bound == "the loyal generals are not connected with one another"
    assert run.decisions == {0: ATTACK, 1: ATTACK, 3: RETREAT, 4: RETREAT}


def test_nobody_writes_to_whom_he_cannot_reach() -> None:
    run = sm(10, 2, PETERSEN, {0, 4}, "split")

    assert run.messages
    assert all(message.receiver in PETERSEN.neighbours(message.sender) for message in run.messages)


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("complete", 10),
        ("ring", 5),
        ("line", 4),
        ("circulant:1,2", 10),
        ("edges:0-1,1-2,2-1", 2),
    ],
)
def test_graphs_from_text(text: str, edges: int) -> None:
    assert len(graph_from_text(5, text).edges) == edges


@pytest.mark.parametrize(
    "text", ["", "star", "circulant:", "circulant:5", "circulant:0", "edges:0-5", "edges:1-1", "edges:1", "line:2"]
)
def test_texts_that_are_no_graphs(text: str) -> None:
    with pytest.raises(GeneralsError):
        graph_from_text(5, text)


def test_a_graph_of_other_generals_is_refused() -> None:
    for run in (
        lambda: oral_messages_on_graph(Problem(7, 1), CUBE, ORAL_STRATEGIES["split"]),
        lambda: signed_messages(Problem(9, 1), SIGNED_STRATEGIES["split"], CUBE),
    ):
        with pytest.raises(GeneralsError, match="The graph has 8 generals"):
            run()


def test_diameter() -> None:
    assert [graph.diameter() for graph in (complete_graph(4), line_graph(4), CUBE, PETERSEN)] == [1, 3, 3, 2]
    assert graph_from_edges(3, [(0, 1)]).diameter() is None
    assert line_graph(1).diameter() == 0
