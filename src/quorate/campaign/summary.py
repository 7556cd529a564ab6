"""What a range of seeds brought, small enough to be sent and kept; summaries add up."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from quorate.campaign.selection import Seeds, Selection
from quorate.sim.explore import Campaign, SeedReport
from quorate.sim.plan import Plan, liars_of, troubles_of

FORMAT: Final = 1
RAISED: Final = "no defect of the simulator"
"""The rule that a seed breaks whose run raises."""
_TEXT_MAX: Final = 4000
"""Characters of a verdict that are kept; its replay command tells all of it."""

Counts = dict[str, int]
"""How often, by name."""
Arcs = dict[str, set[tuple[int, int]]]
"""By file of the core: from which line to which line execution went."""


def add_counts(counts: Counts, others: Counts) -> None:
    """Add *others* to *counts*."""
    for name, count in others.items():
        counts[name] = counts.get(name, 0) + count


class Failure(Struct, frozen=True):
    """A seed that broke a rule."""

    seed: int
    profile: str
    replicas: int
    rule: str
    text: str
    liars: str
    command: str
    """What runs it again, message by message."""


class Cell(Struct):
    """What the seeds of one profile and size did together."""

    profile: str
    replicas: int
    seeds: int = 0
    failed: int = 0
    messages: int = 0
    virtual_time: int = 0
    views: int = 0
    """The highest view of each seed, added up."""
    highest_view: int = 0
    executed: int = 0
    completed: int = 0
    seconds: float = 0.0
    """Processor time."""

    def add(self, other: Cell) -> None:
        """Count what another did."""
        for name in ("seeds", "failed", "messages", "virtual_time", "views", "executed", "completed", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.highest_view = max(self.highest_view, other.highest_view)


class Met(Struct):
    """A strategy: in how many seeds somebody lied so, and what correct replicas noticed where nobody lied otherwise."""

    seeds: int = 0
    alone: int = 0
    """Seeds in which it was the only lie."""
    noticed: Counts = {}
    """In how many of those something was refused, by reason."""

    def add(self, other: Met) -> None:
        """Count what another met."""
        self.seeds += other.seeds
        self.alone += other.alone
        add_counts(self.noticed, other.noticed)


class Tally(Struct):
    """What any number of seeds did together."""

    cells: list[Cell] = []
    strategies: dict[str, Met] = {}
    networks: Counts = {}
    faults: Counts = {}
    refusals: Counts = {}
    """What correct replicas refused, and how often."""
    innocent: Counts = {}
    """What they refused in seeds without any liar: it proves no lie."""
    failures: list[Failure] = []
    sampled: int = 0
    """Seeds that were run under observation: where execution went, and how often the judge looked."""
    arcs: Arcs = {}
    checks: Counts = {}

    def count(self, report: SeedReport, seconds: float) -> None:
        """Add one seed; *seconds* is the processor time that it took."""
        plan, outcome, verdict = report.plan, report.outcome, report.verdict
        cell = self._cell(report.campaign)
        cell.seeds += 1
        cell.messages += outcome.messages
        cell.virtual_time += outcome.time
        cell.views += outcome.views
        cell.highest_view = max(cell.highest_view, outcome.views)
        cell.executed += outcome.executed
        cell.completed += outcome.completed
        cell.seconds += seconds
        add_counts(self.networks, {plan.network.kind: 1})
        add_counts(self.faults, dict.fromkeys(troubles_of(plan), 1))
        refusals = dict(outcome.refusals)
        if outcome.unauthentic:
            refusals["a frame that is not authentic"] = outcome.unauthentic
        add_counts(self.refusals, refusals)
        self._count_lies(plan, refusals)
        if verdict is not None:
            self._fail(report.campaign, plan, verdict.rule, verdict.text)

    def count_raised(self, world: Campaign, plan: Plan, text: str) -> None:
        """Add a seed whose run raised."""
        self._cell(world).seeds += 1
        self._fail(world, plan, RAISED, text)

    def _fail(self, world: Campaign, plan: Plan, rule: str, text: str) -> None:
        self._cell(world).failed += 1
        self.failures.append(
            Failure(
                seed=plan.seed,
                profile=world.profile,
                replicas=world.replicas,
                rule=rule,
                text=text[:_TEXT_MAX],
                liars=describe_liars(plan),
                command=world.command(plan.seed),
            )
        )

    def add(self, other: Tally) -> None:
        """Count what another tally counted."""
        for cell in other.cells:
            self._cell(Campaign(cell.profile, cell.replicas)).add(cell)
        for name, met in other.strategies.items():
            self.strategies.setdefault(name, Met()).add(met)
        for file, arcs in other.arcs.items():
            self.arcs.setdefault(file, set()).update(arcs)
        add_counts(self.networks, other.networks)
        add_counts(self.faults, other.faults)
        add_counts(self.refusals, other.refusals)
        add_counts(self.innocent, other.innocent)
        add_counts(self.checks, other.checks)
        self.failures += other.failures
        self.sampled += other.sampled

    def total(self) -> Cell:
        """All cells together."""
        total = Cell("all", 0)
        for cell in self.cells:
            total.add(cell)
        return total

    def _cell(self, world: Campaign) -> Cell:
        for cell in self.cells:
            if (cell.profile, cell.replicas) == (world.profile, world.replicas):
                return cell
        self.cells.append(Cell(world.profile, world.replicas))
        return self.cells[-1]

    def _count_lies(self, plan: Plan, refusals: Counts) -> None:
        liars = [liar.strategies for liar in liars_of(plan)] + [client.strategies for client in plan.clients]
        lies = [name for strategies in liars for name in strategies]
        if not lies:
            add_counts(self.innocent, refusals)
        for name in sorted(set(lies)):
            met = self.strategies.setdefault(name, Met())
            met.seeds += 1
            if len(lies) == 1:
                met.alone += 1
                add_counts(met.noticed, dict.fromkeys(refusals, 1))


class Summary(Tally):
    """A range of seeds that was run: a line of the results file."""

    seeds: Seeds = Seeds(0, 0)
    selection: Selection = Selection()
    sources: str = ""
    """The digest of Quorate's sources where it was run."""
    version: str = ""
    """The same for people: the version, and the commit where that can be said."""
    elapsed: float = 0.0
    """Wall-clock seconds that it took."""
    finished: float = 0.0
    """When the campaign had it, in seconds since 1970."""
    format: int = FORMAT


def describe_liars(plan: Plan) -> str:
    """Who lies, and how."""
    traitors = [f"replica {liar.replica} ({', '.join(liar.strategies)})" for liar in liars_of(plan)]
    clients = [
        f"client {at} ({', '.join(client.strategies)})" for at, client in enumerate(plan.clients) if client.strategies
    ]
    return ", ".join(traitors + clients) or "nobody"
