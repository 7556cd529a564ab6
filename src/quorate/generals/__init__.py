"""The Byzantine generals, playable: OM(m) and SM(m) of Lamport, Shostak and Pease (TOPLAS 4(3), 1982).

Pure functions from a problem and a strategy of its traitors to a run. Nothing here reads a clock, a
file or an unseeded die, and nothing here knows of PBFT. `docs/GENERALS.md` tells the story.
"""

from quorate.generals.errors import GeneralsError
from quorate.generals.graph import Graph, complete_graph, graph_from_edges, graph_from_text
from quorate.generals.oral import OralRun, oral_messages
from quorate.generals.oral_graph import OralGraphRun, oral_messages_on_graph
from quorate.generals.orders import ATTACK, CHOICES, RETREAT, Late, majority, median
from quorate.generals.problem import Problem, Run
from quorate.generals.search import SearchResult, search_oral
from quorate.generals.search_signed import search_signed
from quorate.generals.signed import SignedRun, signed_messages
from quorate.generals.signed_traitors import SIGNED_STRATEGIES
from quorate.generals.three_worlds import three_worlds
from quorate.generals.traitors import ORAL_STRATEGIES
from quorate.generals.vector import VectorRun, interactive_consistency

__all__ = [
    "ATTACK",
    "CHOICES",
    "ORAL_STRATEGIES",
    "RETREAT",
    "SIGNED_STRATEGIES",
    "GeneralsError",
    "Graph",
    "Late",
    "OralGraphRun",
    "OralRun",
    "Problem",
    "Run",
    "SearchResult",
    "SignedRun",
    "VectorRun",
    "complete_graph",
    "graph_from_edges",
    "graph_from_text",
    "interactive_consistency",
    "majority",
    "median",
    "oral_messages",
    "oral_messages_on_graph",
    "search_oral",
    "search_signed",
    "signed_messages",
    "three_worlds",
]
