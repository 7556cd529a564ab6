"""A run as a tree: each message hangs under the message that its sender passed on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, islice, pairwise, takewhile

from quorate.generals.errors import GeneralsError
from quorate.generals.oral import OralMessage, OralRun
from quorate.generals.oral_graph import OralGraphRun
from quorate.generals.orders import Utterance
from quorate.generals.problem import Problem, Run
from quorate.generals.signed import Fate, SignedMessage, SignedRun
from quorate.generals.svg import Spot

RADIUS_MAX = 24.0
NODES_MAX = 10_000


@dataclass(frozen=True)
class Node:
    """One message, drawn as its receiver. Parents stand before their children."""

    parent: int | None
    """The place of the message passed on; None for what hangs under the commander himself."""
    round: int
    receiver: int
    is_traitor: bool
    said: Utterance
    is_dropped: bool = False


def tree_of(run: Run, leaves_max: int) -> Sequence[Node]:
    """As many whole rounds of a run as have room for their leaves beside one another."""
    match run:
        case OralRun():
            # The tree is full, so a round's leaves are its messages; most of a large one is never built.
            rounds = sum(len(level) <= leaves_max for level in run.levels)
            owed = takewhile(lambda message: message.round <= max(rounds, 1), run.owed())
            nodes = oral_tree(run.problem, islice(owed, NODES_MAX))
        case OralGraphRun():
            nodes = oral_tree(run.problem, run.messages())
        case SignedRun():
            nodes = signed_tree(run.problem, run.messages)
        case _:
            nodes = []
    return _first_rounds(nodes, leaves_max)


def oral_tree(problem: Problem, owed: Iterable[OralMessage]) -> list[Node]:
    """The information-gathering tree; on a graph each hop is a node."""
    nodes: list[Node] = []
    places: dict[tuple[tuple[int, ...], int, int], int] = {}
    for place, message in enumerate(owed):
        path, sender = message.path[:-1], message.path[-1]
        parent = places.get((path, sender, message.target), places.get((path, sender, sender)))
        places[message.path, message.receiver, message.target] = place
        is_traitor = message.receiver in problem.traitors
        nodes.append(Node(parent, message.round, message.receiver, is_traitor, message.said))
    return nodes


def signed_tree(problem: Problem, messages: Iterable[SignedMessage]) -> list[Node]:
    """The tree of signature chains; a chain out of thin air hangs under its longest known beginning."""
    nodes: list[Node] = []
    places: dict[tuple[tuple[int, ...], int], int] = {}
    for place, message in enumerate(messages):
        signers = message.signed_order.signers
        beginnings = (signers[:length] for length in range(len(signers) - 1, 0, -1))
        known = (places.get((beginning, message.sender)) for beginning in beginnings)
        parent = next((each for each in known if each is not None), None)
        if parent is not None and nodes[parent].round >= message.round:
            parent = None
        places.setdefault((signers, message.receiver), place)
        nodes.append(
            Node(
                parent=parent,
                round=message.round,
                receiver=message.receiver,
                is_traitor=message.receiver in problem.traitors,
                said=message.signed_order.order,
                is_dropped=message.fate is Fate.DROPPED,
            )
        )
    return nodes


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    width: float
    height: float


def _first_rounds(nodes: Sequence[Node], leaves_max: int) -> Sequence[Node]:
    for last in sorted({node.round for node in nodes}, reverse=True):
        kept = [node for node in nodes if node.round <= last]
        passed_on = {node.parent for node in kept} - {None}
        if len(kept) - len(passed_on) <= leaves_max:
            return kept
    if nodes:
        raise GeneralsError(f"Round 1 alone is too wide for a picture of {leaves_max} messages: take fewer generals.")
    return nodes


def spots(nodes: Sequence[Node], box: Box) -> list[Spot]:
    """Leaves evenly from left to right, parents above the middle of their children, a row a round."""
    columns = _columns(nodes)
    pitch = box.width / (max(columns, default=0.0) + 1)
    last_round = max((node.round for node in nodes), default=1)
    radius = _radii(nodes, columns, pitch)
    return [
        Spot(
            x=box.left + (column + 0.5) * pitch,
            y=box.top + box.height * node.round / last_round,
            radius=radius[node.round],
        )
        for node, column in zip(nodes, columns, strict=True)
    ]


def _columns(nodes: Sequence[Node]) -> list[float]:
    children: dict[int | None, list[int]] = {}
    for place, node in enumerate(nodes):
        children.setdefault(node.parent, []).append(place)
    columns = [0.0] * len(nodes)
    leaves = count()

    def settle(place: int) -> float:
        below = [settle(child) for child in children.get(place, ())]
        columns[place] = (below[0] + below[-1]) / 2 if below else float(next(leaves))
        return columns[place]

    for place in children.get(None, ()):
        settle(place)
    return columns


def _radii(nodes: Sequence[Node], columns: Sequence[float], pitch: float) -> dict[int, float]:
    """For each round the largest circles that do not touch."""
    taken: dict[int, list[float]] = {}
    for node, column in zip(nodes, columns, strict=True):
        taken.setdefault(node.round, []).append(column)
    gaps = {round_: min((b - a for a, b in pairwise(sorted(each))), default=2.0) for round_, each in taken.items()}
    return {round_: min(RADIUS_MAX, 0.42 * pitch * gap) for round_, gap in gaps.items()}
