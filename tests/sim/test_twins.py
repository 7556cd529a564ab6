"""Twins (B19): the count of the scenarios, a fixed sample of them, and mutants that they have to find."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import islice, product

import msgspec
import pytest
from click.testing import CliRunner, Result

from quorate.cli.twins import twins
from quorate.core import context, log, normal_case, view_change
from quorate.core.quorum import quorums_of
from quorate.errors import AuthenticationFailed, ConfigurationError
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import Checkpoint, Message, NewView, Prepare, PrePrepare, Reply, Request
from quorate.sim.twins.explore import (
    Report,
    Totals,
    all_scenarios,
    count_scenarios,
    run_scenario,
    run_scenarios,
    sample,
)
from quorate.sim.twins.judge import Content, Judge
from quorate.sim.twins.parties import members_of
from quorate.sim.twins.scenario import Fate, Phase, Scenario, parse_scenario, sides_name
from quorate.sim.twins.splits import Group, count_sequences, exchange, groups, sequences
from quorate.sim.twins.world import TwinsWorld

ONE = Group(4, (0,))
X, Y = b"x" * 32, b"y" * 32


def run(name: str) -> Report:
    return run_scenario(parse_scenario(name))


def first_found(scenarios: Iterable[Scenario], budget: int) -> tuple[int, str]:
    """How many scenarios it took until a rule was broken, and which one it was."""
    for count, report in enumerate(run_scenarios(islice(scenarios, budget)), start=1):
        if report.verdict is not None:
            return count, report.verdict.rule
    raise AssertionError(f"nothing found in {budget} scenarios")


# How many there are


def test_the_splits_of_five_processes() -> None:
    names = [sides_name(ONE, split) for split in ONE.splits()]
    assert len(set(names)) == 16
    assert names[:3] == ["01230b+", "0230b+1", "0130b+2"]
    assert (ONE.identities, ONE.correct) == ((0, 1, 2, 3, 0), {1, 2, 3})
    assert ONE.has_quorum((0, 1, 2), 3)
    assert not ONE.has_quorum((0, 1, 4), 3)


@pytest.mark.parametrize(("group", "phases"), [(ONE, 1), (ONE, 2), (ONE, 3), (Group(4, (1, 3)), 2)])
def test_each_sequence_is_one_of_those_enumerated_up_to_the_copies_names(group: Group, phases: int) -> None:
    kept = set(sequences(group, phases))
    assert len(kept) == count_sequences(group, phases)
    choices = [(), (0,)] if len(group.twins) == 1 else [(), (0,), (1,), (0, 1)]
    for sequence in product(group.splits(), repeat=phases):
        images = {tuple(exchange(group, split, pairs) for split in sequence) for pairs in choices}
        assert len(images & kept) == 1


def test_the_number_of_scenarios() -> None:
    assert [count_sequences(ONE, phases) for phases in (1, 2, 3)] == [12, 160, 2304]
    assert count_scenarios(4, 3) == 36_864 + 1_152 == sum(1 for _ in all_scenarios(4, 3))
    assert len({scenario.name for scenario in all_scenarios(4, 2)}) == count_scenarios(4, 2)
    assert len(groups(7, 2)) == 21
    with pytest.raises(ConfigurationError, match="take fewer --phases"):
        count_scenarios(7, 3)


def test_a_scenario_is_its_name() -> None:
    scenarios = [*islice(all_scenarios(4, 3), 0, None, 997), *(sample(7, 12, seed) for seed in range(20))]
    assert [parse_scenario(scenario.name) for scenario in scenarios] == scenarios
    assert len({scenario.group.twins for scenario in scenarios}) > 10


@pytest.mark.parametrize(
    "name",
    [
        "",
        "4:0:mac",
        "4:0:rot13:01230b+.lost.0",
        "3:0:mac:0120b+.lost.0",
        "4:4:mac:01234b+.lost.0",
        "4:0:mac:0123+.lost.0",
        "4:0:mac:01233b+.lost.0",
        "4:0:mac:01230b+.gone.0",
        "4:0:mac:01230b+.lost.7",
    ],
)
def test_what_is_no_scenario(name: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_scenario(name)


# What happens in one


def said_by(name: str) -> dict[type[Message], list[tuple[int, Message]]]:
    """All messages that arrived, with their receivers, by type."""
    said: defaultdict[type[Message], list[tuple[int, Message]]] = defaultdict(list)

    def write(time: int, process: int, text: str, frame: bytes) -> None:
        if frame:
            message = decode(decode_envelope(frame).payload)
            said[type(message)].append((process, message))

    assert TwinsWorld(parse_scenario(name), write).run().verdicts == ()
    return said


def test_twins_equivocate() -> None:
    """Each copy of the primary hears a client of its own, and proposes what it hears (P2)."""
    digests = defaultdict(set)
    for _, message in said_by("4:0:mac:012+30b.lost.2")[PrePrepare]:
        assert isinstance(message, PrePrepare)
        digests[message.view, message.sequence_number].add(message.digest)
    assert any(len(different) == 2 for different in digests.values())


def test_two_copies_sign_two_new_views_and_nobody_stops() -> None:
    """Both are valid, and choose differently."""
    name = "4:2:mac:0+122b3.late.2,023+12b.late.2,02b+123.late.2"
    chosen = {m.chosen for _, m in said_by(name)[NewView] if isinstance(m, NewView) and m.view == 2}
    assert len(chosen) == 2


def test_a_side_with_a_quorum_changes_view_and_gets_on() -> None:
    outcome = run("4:0:mac:00b+123.lost.0").outcome
    assert (outcome.quorum_phases, outcome.live_phases) == (1, 1)
    assert outcome.views >= 1
    assert run("4:0:mac:010b+23.lost.0").outcome.quorum_phases == 0


def test_what_crosses_is_lost_or_late() -> None:
    receivers = {}
    for fate in Fate:
        said = said_by(f"4:0:mac:030b+12.{fate.value}.0")[PrePrepare]
        first = [at for at, m in said if isinstance(m, PrePrepare) and (m.view, m.sequence_number) == (0, 2)]
        receivers[fate] = set(first)
    assert receivers == {Fate.LOST: {3}, Fate.LATE: {1, 2, 3}}


def test_the_same_scenario_ends_the_same_way() -> None:
    for scenario in (sample(4, 3, 5), *islice(all_scenarios(4, 2), 700, 702)):
        assert run_scenario(scenario).outcome == run_scenario(scenario).outcome


def test_a_signature_is_checked_once_a_mac_by_everyone() -> None:
    members = members_of(4, "mac")
    one, other = members.replicas[1], members.replicas[2]
    signed = members.replicas[0].seal(Checkpoint(4, X, 0, 0))
    assert other.open(signed) is one.open(signed)
    with pytest.raises(AuthenticationFailed):
        one.open(signed.replace(X, Y))
    voted = members.replicas[0].seal(Prepare(0, 1, X, 0))
    assert other.open(voted) is not one.open(voted)
    assert isinstance(one.open(members.clients[0].seal(Request(members.clients[0].client_id, 0, 1, ()))), tuple)


# Samples


def test_every_scenario_of_one_phase() -> None:
    reports = list(run_scenarios(all_scenarios(4, 1)))
    assert len(reports) == 198
    assert [report.scenario.name for report in reports if report.verdict] == []


def test_a_fixed_sample_of_three_phases() -> None:
    totals = Totals()
    for report in run_scenarios(islice(all_scenarios(4, 3), 0, None, 211)):
        totals.add(report)
    assert [report.scenario.name for report in totals.failed] == []
    assert totals.scenarios == 181
    assert totals.authentication["signature"] > 0
    assert totals.live_phases > 0.9 * totals.quorum_phases


@pytest.mark.parametrize("replicas", [4, 7])
def test_a_sample_of_twelve_rounds(replicas: int) -> None:
    for seed in range(10 if replicas == 4 else 3):
        report = run_scenario(sample(replicas, 12, seed))
        assert report.verdict is None, report.scenario.name


# Mutants

Weaken = Callable[[pytest.MonkeyPatch], None]


def quorum_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "quorums_of", lambda n: quorums_of(n)._replace(quorum=quorums_of(n).quorum - 1))


def prepared_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    original = view_change.own_view_change
    monkeypatch.setattr(
        view_change, "own_view_change", lambda core: msgspec.structs.replace(original(core), prepared=())
    )


def prepared_forgotten_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the replica that notices by itself does not look."""
    prepared_forgotten(monkeypatch)
    for module in (log, normal_case, view_change):
        monkeypatch.setattr(module, "require", lambda condition, rule: None)


def commit_with_a_weak_quorum(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_committed_local(self: log.MessageLog, slot: log.Slot) -> bool:
        matching = sum(1 for vote in slot.commits.values() if vote.digest == slot.digest)
        return slot.phase >= log.Phase.PREPARED and matching >= self.quorums.weak

    monkeypatch.setattr(log.MessageLog, "is_committed_local", is_committed_local)


@pytest.mark.parametrize(
    ("weaken", "phases", "step", "rule"),
    [
        (quorum_too_small, 1, 1, "agreement"),
        (prepared_forgotten, 2, 7, "no failure"),
        (prepared_forgotten_unnoticed, 2, 7, "agreement"),
        (commit_with_a_weak_quorum, 2, 7, "agreement"),
    ],
)
def test_a_mutant_is_found(monkeypatch: pytest.MonkeyPatch, weaken: Weaken, phases: int, step: int, rule: str) -> None:
    weaken(monkeypatch)
    assert first_found(islice(all_scenarios(4, phases), 0, None, step), 400)[1] == rule


def test_more_twins_than_f_break_agreement() -> None:
    """Two of four run twice: each side has a quorum, and the two that run once are on different ones."""
    found = {
        report.verdict.rule
        for group in groups(4, 2)
        for (split,) in sequences(group, 1)
        if (report := run_scenario(Scenario(group, "mac", (Phase(split, Fate.LOST, 0),)))).verdict is not None
    }
    assert found == {"agreement", "prepared uniqueness"}


# The judge


def a_reply(replica: int, result: bytes) -> Reply:
    return Reply(0, X, 1, 1, 0, (result,), replica)


def executed(number: int, digest: bytes, timestamp: int) -> dict[str, object]:
    return {"sequence_number": number, "digest": digest, "requests": [(X, 1, timestamp, 0)]}


def test_the_judge_knows_what_is_wrong() -> None:
    cases: list[tuple[str, Callable[[Judge], object]]] = [
        ("agreement", lambda j: (j.hear(1, "executed", executed(1, X, 1)), j.hear(2, "executed", executed(1, Y, 1)))),
        ("order", lambda j: j.hear(1, "executed", executed(2, X, 1))),
        (
            "exactly once",
            lambda j: (j.hear(1, "executed", executed(1, X, 1)), j.hear(1, "executed", executed(2, Y, 1))),
        ),
        ("one vote", lambda j: [j.see_sent(1, Prepare(0, 1, digest, 1)) for digest in (X, Y)]),
        ("one vote", lambda j: [j.see_sent(1, Checkpoint(4, digest, 1, 0)) for digest in (X, Y)]),
        ("no failure", lambda j: j.see_failure(1, ValueError("stop"))),
        ("one belief", lambda j: [j.hear_reply(a_reply(at, b"a" if at < 2 else b"b")) for at in range(4)]),
        ("equal states", lambda j: j.check_end({b"a0;", b"b0;"})),
        ("exactly once", lambda j: j.check_end({b"a0;a0;"})),
        ("equal replies", lambda j: ([j.hear_reply(a_reply(*r)) for r in ((1, b"a"), (2, b"b"))], j.check_end({b"a"}))),
        ("believed for good", lambda j: ([j.hear_reply(a_reply(r, b"b;")) for r in (0, 1)], j.check_end({b"a;"}))),
    ]
    for rule, happen in cases:
        judge = Judge(quorums_of(4), ONE.correct)
        happen(judge)
        assert [verdict.rule for verdict in judge.verdicts] == [rule]


def test_the_judge_does_not_look_at_what_twins_say_of_themselves() -> None:
    judge = Judge(quorums_of(4), ONE.correct)
    for digest in (X, Y):
        judge.see_sent(0, Prepare(0, 1, digest, 0))
        judge.hear(0, "executed", executed(1, digest, 1))
    judge.see_failure(0, ValueError("stop"))
    assert judge.hear_reply(a_reply(0, b"a")) is judge.hear_reply(a_reply(0, b"b")) is None
    assert judge.hear_reply(a_reply(1, b"a")) == Content(0, (b"a",))
    assert judge.verdicts == []


# The command


def command(*arguments: str) -> Result:
    return CliRunner().invoke(twins, arguments)


def test_the_command() -> None:
    result = command("--samples", "3", "--rounds", "2")
    assert result.exit_code == 0
    assert result.output.startswith("3 scenarios (3 with MACs, 0 with signatures), 0 failed")
    document = json.loads(command("--samples", "2", "--rounds", "2", "--seed", "7", "--json").output)
    assert (document["scenarios"], document["failed"]) == (2, [])


def test_the_command_shows_one_scenario() -> None:
    result = command("--scenario", "4:0:mac:012+30b.lost.2")
    assert result.exit_code == 0
    assert "phase: 012+30b, what crosses is lost" in result.output
    assert "from 0b: PRE-PREPARE view=0 number=2" in result.output
    assert json.loads(command("--scenario", "4:0:mac:012+30b.lost.2", "--json").output)["outcome"]["verdicts"] == []


def test_the_command_fails_when_a_rule_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    quorum_too_small(monkeypatch)
    result = command("--samples", "3", "--rounds", "3")
    assert result.exit_code == 1
    assert "every message: quorate twins --scenario 4:" in result.output
    assert command("--scenario", "4:0:mac:030b+12.lost.0").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [["--replicas", "3"], ["--replicas", "7"], ["--phases", "0"], ["--samples", "1", "--rounds", "0"], ["--jobs", "0"]],
)
def test_what_the_command_refuses(arguments: list[str]) -> None:
    assert isinstance(command(*arguments).exception, ConfigurationError)
