"""Every run of a small world, and what is said of it."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from quorate.cli.main import cli
from quorate.errors import ConfigurationError
from quorate.sim.small_worlds.bounds import Bounds
from quorate.sim.small_worlds.cluster import batches_of
from quorate.sim.small_worlds.search import NO_LIMITS, Limits, Report, World, search


def explored(bounds: Bounds, limits: Limits = NO_LIMITS) -> Report:
    return search(World(bounds), limits)


@pytest.mark.parametrize("traitor", [0, 1, 2, 3])
def test_one_view_holds(traitor: int) -> None:
    report = explored(Bounds(views=1, traitors=(traitor,)))

    assert report.is_complete
    assert report.verdict is None


def test_a_request_is_executed_in_either_view_somewhere() -> None:
    """The worlds are no empty ones: what is proposed commits, in both views, and NEW-VIEWs choose what they can."""
    world = World(Bounds(traitors=(1,)))

    report = search(world)

    assert report.is_complete
    assert report.verdict is None
    names = {digest: name for digest, (name, _) in batches_of(world.bounds).items()}
    facts = {fact for state in world.states for fact in state.facts}
    committed = {(fact.view, names[fact.digest]) for fact in facts if fact.what == "committed"}
    assert committed == {(0, "a"), (1, "a"), (1, "b"), (1, "null")}
    chosen = {tuple(names[digest] for _, digest in fact.chosen) for fact in facts if fact.what == "entered"}
    assert chosen == {(), ("a",), ("null",)}


def test_a_lying_backup_breaks_nothing_in_two_views() -> None:
    report = explored(Bounds(traitors=(2,)))

    assert report.is_complete
    assert report.verdict is None
    assert report.states > 50_000


def test_a_lying_first_primary_breaks_nothing_to_a_depth() -> None:
    report = explored(Bounds(traitors=(0,)), Limits(depth=9))

    assert report.depth == 9
    assert report.verdict is None


@pytest.mark.slow
def test_a_lying_first_primary_breaks_nothing_in_two_views() -> None:
    report = explored(Bounds(traitors=(0,)))

    assert report.is_complete
    assert report.verdict is None
    assert report.states > 300_000


def test_two_requests_hold_to_a_depth() -> None:
    for traitor in (0, 1, 2):
        report = explored(Bounds(requests=2, traitors=(traitor,)), Limits(depth=3))

        assert report.depth == 3
        assert report.verdict is None


def test_equal_searches_are_equal() -> None:
    one, other = (explored(Bounds(traitors=(2,)), Limits(depth=7)) for _ in range(2))

    assert one._replace(seconds=0) == other._replace(seconds=0)


@pytest.mark.parametrize(
    "bounds", [Bounds(requests=3), Bounds(views=0), Bounds(views=5), Bounds(traitors=(4,)), Bounds(traitors=(0, 1, 2))]
)
def test_what_cannot_be_explored_is_refused(bounds: Bounds) -> None:
    with pytest.raises(ConfigurationError):
        World(bounds)


def test_the_command_reports_a_world() -> None:
    result = CliRunner().invoke(cli, ["explore", "--views", "1", "--traitors", "0"])

    assert result.exit_code == 0, result.output
    assert "no state is left, and no rule is broken" in result.output


def test_the_command_tells_how_a_rule_is_broken() -> None:
    result = CliRunner().invoke(cli, ["explore", "--traitors", "0,3"])

    assert result.exit_code == 1, result.output
    assert "A RULE IS BROKEN" in result.output
    assert "run again on fresh replicas" in result.output
    assert "replica 1 gets DECIDED(1:null) of replica 0, the traitor" in result.output


def test_the_command_speaks_to_programs() -> None:
    result = CliRunner().invoke(cli, ["explore", "--depth", "3", "--json"])

    assert result.exit_code == 0, result.output
    reports = json.loads(result.output)
    assert [report["traitors"] for report in reports] == [[0], [1], [2]]
    assert all(report["depth"] == 3 and report["broken"] is None for report in reports)
    assert not any(report["is_complete"] for report in reports)


@pytest.mark.parametrize("arguments", [["--traitors", "x"], ["--requests", "3"], ["--depth", "0"]])
def test_the_command_refuses_bad_input(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli, ["explore", *arguments]).exit_code == 2
