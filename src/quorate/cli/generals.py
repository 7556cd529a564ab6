"""`quorate generals`: the Byzantine generals of Lamport, Shostak and Pease on the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from rich.table import Table
from rich.text import Text

from quorate.cli.output import print_json, print_trimmed, say, terminal_width
from quorate.generals import (
    ATTACK,
    CHOICES,
    ORAL_STRATEGIES,
    SIGNED_STRATEGIES,
    GeneralsError,
    Problem,
    Run,
    graph_from_text,
    interactive_consistency,
    oral_messages,
    oral_messages_on_graph,
    search_oral,
    search_signed,
    signed_messages,
    three_worlds,
)
from quorate.generals.counting import RECORDED_MESSAGES_MAX, require_affordable_oral
from quorate.generals.graph import GRAPH_FORMS
from quorate.generals.orders import Choice
from quorate.generals.picture import Scene, slide, slide_side_by_side
from quorate.generals.report import (
    cell_document,
    run_document,
    search_document,
    vector_document,
    worlds_document,
)
from quorate.generals.search import RUNS_MAX
from quorate.generals.sheets import Sheet, run_sheets, table_sheet, vector_sheet, worlds_sheet
from quorate.generals.table import table as cells_of
from quorate.generals.three_worlds import same_views
from quorate.generals.words import (
    conclusion,
    counted,
    headline,
    search_lines,
    vector_lines,
    verdict_line,
    verdict_lines,
    views_line,
)

DEFECT: Final = 1
"""Exit code: IC1 or IC2 is broken where a theorem promises them."""

Decorator = Callable[[Any], Any]


class BadInput(click.ClickException):
    """A question that cannot be put to the generals."""

    exit_code = 2


class _Generals(click.Group):
    """What the generals refuse becomes one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except GeneralsError as error:
            raise BadInput(str(error)) from error


class _Output(NamedTuple):
    """What to show of a run."""

    with_trace: bool
    as_json: bool
    svg: Path | None


class _Size(NamedTuple):
    """A problem without its traitors."""

    n: int
    m: int
    choice: Choice
    seed: int


def _size(n: int, m: int, choice: str, seed: int) -> _Size:
    return _Size(n, m, CHOICES[choice], seed)


def _problem(n: int, m: int, traitors: str, choice: str, seed: int, order: str = ATTACK, commander: int = 0) -> Problem:
    try:
        listed = frozenset(int(number) for number in traitors.split(",")) if traitors.strip() else frozenset()
    except ValueError:
        raise GeneralsError(f"The traitors {traitors!r} are not numbers: name them like 0,3.") from None
    return Problem(n, m, order, commander, listed, CHOICES[choice], seed)


def _options(parameter: str, build: Callable[..., object], *options: Decorator) -> Decorator:
    """Give the command one argument, built from the values of several options."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def run(**values: Any) -> None:
            parts = {name: values.pop(name) for name in signature(build).parameters if name in values}
            command(**values, **{parameter: build(**parts)})

        decorated: Callable[..., None] = run
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


_N = click.option("--n", type=int, default=4, show_default=True, help="How many generals there are.")
_M = click.option("--m", type=int, default=1, show_default=True, help="How many traitors to withstand.")
_CHOICE = click.option(
    "--choice", type=click.Choice(list(CHOICES)), default="majority", show_default=True, help="Makes one order of many."
)
_SEED = click.option(
    "--seed", type=int, default=0, show_default=True, help="For what is drawn at random, and the keys."
)
_TRAITORS = click.option("--traitors", default="", help="Their numbers, for example 0,3.")
_ORDER = click.option("--order", default="attack", show_default=True, help="What the commander orders.")
_COMMANDER = click.option("--commander", type=int, default=0, show_default=True, help="His number.")
_TRACE = click.option("--trace", "with_trace", is_flag=True, help="Show every message.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
_SVG = click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw the message tree, for a slide."
)
_GRAPH = click.option("--graph", "graph_text", help=f"Who can reach whom: {GRAPH_FORMS}.")

_with_size = _options("size", _size, _N, _M, _CHOICE, _SEED)
_with_problem = _options("problem", _problem, _N, _M, _TRAITORS, _ORDER, _COMMANDER, _CHOICE, _SEED)
_with_output = _options("output", _Output, _TRACE, _JSON, _SVG)


def _with_strategy(names: Iterable[str]) -> Decorator:
    return click.option(
        "--strategy", type=click.Choice(list(names)), default="split", show_default=True, help="What the traitors do."
    )


@click.group(cls=_Generals)
def generals() -> None:
    """The Byzantine generals of Lamport, Shostak and Pease: OM(m), SM(m), and what cannot be done.

    \b
    Example:  quorate generals om --n 7 --m 2 --traitors 0,3 --strategy split --trace

    Exit codes: 0 the generals were run, whatever became of them; 1 IC1 or IC2 is broken where a theorem promises
    them; 2 the question cannot be put to them.
    """


@generals.command(short_help="Oral messages: OM(m).")
@_with_problem
@_with_strategy(ORAL_STRATEGIES)
@_GRAPH
@click.option("--p", type=int, help="With --graph: how many neighbours a commander tells; 3m unless given.")
@_with_output
def om(problem: Problem, strategy: str, graph_text: str | None, p: int | None, output: _Output) -> None:
    """OM(m), oral messages: withstands m traitors among more than 3m generals.

    With --graph it is OM(m, p), for generals who cannot all reach one another.

    \b
    Example:  quorate generals om --n 7 --m 2 --traitors 0,3 --strategy split --order attack
              quorate generals om --n 8 --m 1 --traitors 3 --graph circulant:1,4
    """
    if p is not None and graph_text is None:
        raise GeneralsError("--p is for generals on a graph: give --graph as well, or leave --p out.")
    if output.with_trace:
        require_affordable_oral(problem.n, problem.m, RECORDED_MESSAGES_MAX)
    if graph_text is None:
        run: Run = oral_messages(problem, ORAL_STRATEGIES[strategy])
    else:
        graph = graph_from_text(problem.n, graph_text)
        run = oral_messages_on_graph(problem, graph, ORAL_STRATEGIES[strategy], p)
    _show(run, headline(run, strategy), output)


@generals.command(short_help="Signed messages: SM(m).")
@_with_problem
@_with_strategy(SIGNED_STRATEGIES)
@_GRAPH
@click.option("--depth", type=int, help="Run SM(depth): m unless given, with --graph m+d-1.")
@_with_output
def sm(problem: Problem, strategy: str, graph_text: str | None, depth: int | None, output: _Output) -> None:
    """SM(m), signed messages: withstands m traitors among any number of generals.

    The signatures are real, Ed25519. With --graph it is SM(m+d-1), d the diameter of the loyal generals' graph.

    \b
    Example:  quorate generals sm --n 3 --m 1 --traitors 0 --strategy split --trace
              quorate generals sm --n 6 --m 1 --traitors 3 --graph ring
    """
    graph = None if graph_text is None else graph_from_text(problem.n, graph_text)
    run = signed_messages(problem, SIGNED_STRATEGIES[strategy], graph, depth)
    _show(run, headline(run, strategy), output)


@generals.command(short_help="Interactive consistency: everybody commands once.")
@_options("problem", _problem, _N, _M, _TRAITORS, _CHOICE, _SEED)
@_with_strategy(SIGNED_STRATEGIES)
@click.option("--orders", required=True, help="Every general's own order, for example attack,retreat,attack,attack.")
@click.option("--algorithm", type=click.Choice(["om", "sm"]), default="om", show_default=True, help="Run n times.")
@_JSON
def vector(problem: Problem, strategy: str, orders: str, algorithm: str, as_json: bool) -> None:
    """Interactive consistency: everybody is the commander once, and the loyal end with the same vector.

    \b
    Example:  quorate generals vector --n 4 --m 1 --traitors 3 --orders attack,retreat,attack,attack
    """
    if algorithm == "om" and strategy not in ORAL_STRATEGIES:
        raise GeneralsError(f"The strategy {strategy} is about signatures: choose --algorithm sm or another strategy.")

    def run(each: Problem) -> Run:
        if algorithm == "om":
            return oral_messages(each, ORAL_STRATEGIES[strategy])
        return signed_messages(each, SIGNED_STRATEGIES[strategy])

    result = interactive_consistency(problem, [order.strip() for order in orders.split(",")], run)
    if as_json:
        print_json(vector_document(result))
    else:
        _print_sheet(vector_sheet(result))
        _say_all(vector_lines(result))
    _exit(is_defect=not (result.outside_bound or (result.is_consistent and result.is_valid)))


@generals.command(short_help="The worst that traitors can do.")
@_with_size
@click.option("--algorithm", type=click.Choice(["om", "sm"]), default="om", show_default=True, help="What to attack.")
@click.option("--traitor-count", type=click.IntRange(min=0), help="How many traitors there may be; m unless given.")
@click.option("--runs", type=click.IntRange(min=1), help=f"How many to try: {RUNS_MAX:,} unless given, fewer if large.")
@_TRACE
@_JSON
def search(
    size: _Size, algorithm: str, traitor_count: int | None, runs: int | None, with_trace: bool, as_json: bool
) -> None:
    """Search for the worst that traitors can do: a run that breaks IC1 or IC2, or what was tried.

    \b
    Example:  quorate generals search --n 6 --m 2 --trace
              quorate generals search --algorithm sm --n 4 --m 1 --traitor-count 2
    """
    look = search_oral if algorithm == "om" else search_signed
    count = size.m if traitor_count is None else traitor_count
    result = look(size.n, size.m, count, choice=size.choice, seed=size.seed, runs_max=runs)
    if as_json:
        print_json(search_document(result, with_trace=with_trace))
    else:
        _say_all(search_lines(result))
        if result.found:
            say()
            _print_run(result.found.run, headline(result.found.run, result.found.plan), with_trace=with_trace)
    _exit(is_defect=result.found is not None and not result.found.run.outside_bound)


@generals.command(short_help="Why 3m generals are too few.")
@click.option("--m", type=click.IntRange(min=1), default=1, show_default=True, help="How many traitors; n is 3m.")
@_CHOICE
@_JSON
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw the three worlds, for a slide.")
def impossibility(m: int, choice: str, as_json: bool, svg: Path | None) -> None:
    """Why 3m generals are too few for m traitors: three worlds that the loyal cannot tell apart.

    \b
    Example:  quorate generals impossibility
              quorate generals impossibility --m 2 --svg three-worlds.svg
    """
    worlds = three_worlds(3 * m, m, CHOICES[choice])
    views = same_views(worlds)
    broken = [world for world in worlds if world.is_broken]
    if svg:
        scenes = [Scene(each.run, f"World {place}", conclusion(each)) for place, each in enumerate(worlds, start=1)]
        heading = f"Why {3 * m} generals cannot withstand {counted(m, 'traitor')}"
        _write(svg, slide_side_by_side(scenes, heading, views_line(views)))
    if as_json:
        print_json(worlds_document(worlds, views))
    else:
        _print_sheet(worlds_sheet(worlds))
        say(views_line(views))
        for world in broken:
            say()
            _print_run(world.run, headline(world.run, "the world that is broken"), with_trace=m == 1)
    _exit(is_defect=not broken)


@generals.command(short_help="Costs and bounds for many n and m.")
@click.option("--n-max", type=click.IntRange(min=3), default=7, show_default=True, help="The largest n.")
@click.option("--m-max", type=click.IntRange(min=1), default=2, show_default=True, help="The largest m.")
@_CHOICE
@_JSON
def table(n_max: int, m_max: int, choice: str, as_json: bool) -> None:
    """What each n and m costs, and whether the traitors that a search came up with broke it.

    \b
    Example:  quorate generals table --n-max 7 --m-max 2
    """
    cells = list(cells_of(n_max, m_max, CHOICES[choice]))
    if as_json:
        print_json([cell_document(cell) for cell in cells])
    else:
        _print_sheet(table_sheet(cells))
    _exit(is_defect=any(cell.is_defect for cell in cells))


def _show(run: Run, heading: str, output: _Output) -> None:
    if output.svg:
        _write(output.svg, slide(Scene(run, heading, verdict_line(run))))
    if output.as_json:
        print_json(run_document(run, with_trace=output.with_trace))
    else:
        _print_run(run, heading, with_trace=output.with_trace)
    _exit(is_defect=not (run.holds or run.outside_bound))


def _print_run(run: Run, heading: str, *, with_trace: bool) -> None:
    say(heading)
    say()
    for sheet in run_sheets(run, with_trace=with_trace):
        _print_sheet(sheet)
    _say_all(verdict_lines(run))


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _print_sheet(sheet: Sheet) -> None:
    table = Table(
        box=None,
        pad_edge=False,
        header_style="bold",
        title=sheet.title or None,
        title_justify="left",
        title_style="bold italic",
    )
    for column in sheet.columns:
        table.add_column(column, overflow="fold", justify="right" if column in sheet.numeric else "left")
    for row in sheet.rows:
        table.add_row(*(Text(cell) for cell in row))
    print_trimmed(table, terminal_width())
    say()


def _write(path: Path, picture: str) -> None:
    try:
        path.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise GeneralsError(f"{path} cannot be written ({error.strerror}): name another file.") from error


def _exit(*, is_defect: bool) -> None:
    sys.exit(DEFECT if is_defect else 0)


if __name__ == "__main__":
    generals(prog_name="quorate generals")
