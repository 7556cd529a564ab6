"""`quorate generals`: what people and programs see, and how bad input ends."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from quorate.cli.generals import generals
from quorate.generals import ORAL_STRATEGIES, SIGNED_STRATEGIES

COMMANDS = ("om", "sm", "vector", "search", "impossibility", "table")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(generals, arguments, catch_exceptions=False)


def document(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def words(result: Result) -> str:
    """Without the columns' spaces."""
    assert result.exit_code == 0, result.output
    return re.sub(r" +", " ", result.stdout)


def test_om_as_the_documentation_has_it() -> None:
    found = document("om", "--n", "7", "--m", "2", "--traitors", "0,3", "--strategy", "split", "--order", "attack")

    assert found["decisions"] == dict.fromkeys(("1", "2", "4", "5", "6"), "attack")
    assert found["ic1"] is True
    assert found["ic2"] is True, "it demands nothing: the commander is a traitor"
    assert found["messages"]["total"] == 156
    assert found["messages"]["last_round"] == 120
    assert found["messages"]["by_round"] == [6, 30, 120]
    assert found["rounds"] == 3
    assert found["inside_bound"] is True
    assert "trace" not in found


def test_silent_traitors_send_less_than_the_formulas_say() -> None:
    messages = document("om", "--n", "7", "--m", "2", "--traitors", "3", "--strategy", "silent")["messages"]

    assert (messages["formula_total"], messages["formula_last_round"]) == (156, 120)
    assert (messages["total"], messages["last_round"]) == (131, 100)


def test_om_for_people() -> None:
    said = words(run("om", "--n", "4", "--m", "1", "--traitors", "3", "--strategy", "constant", "--trace"))

    assert "OM(1), 4 generals, traitor 3: constant" in said
    assert "path (* traitor) attack to retreat to" in said
    assert re.search(r"^0 3\* 1 2 *$", said, re.MULTILINE)
    assert re.search(r"^ ?2 attack from 1 2; retreat from 3 attack$", said, re.MULTILINE)
    assert "IC1 holds: every loyal lieutenant obeys attack." in said
    assert "9 messages in 2 rounds, 6 of them in the last (the paper's product: 6)." in said
    assert "Inside the bound." in said


def test_outside_the_bound_is_labelled_and_no_error() -> None:
    said = words(run("om", "--n", "3", "--m", "1", "--traitors", "2", "--strategy", "constant"))

    assert "Outside the bound: n = 3 is not above 3m = 3." in said
    assert "IC2 is broken: the loyal commander ordered attack." in said


def test_sm_shows_that_a_forged_chain_is_dropped() -> None:
    said = words(run("sm", "--n", "4", "--m", "1", "--traitors", "3", "--strategy", "forged", "--trace"))
    found = document("sm", "--n", "4", "--m", "1", "--traitors", "3", "--strategy", "forged")

    assert "3* retreat:0:3 1 2 dropped: a signature is not genuine" in said
    assert [each["receiver"] for each in found["dropped"]] == [1, 2]
    assert {each["reason"] for each in found["dropped"]} == {"a signature is not genuine"}
    assert all(len(bytes.fromhex(signature)) == 64 for each in found["dropped"] for signature in each["signatures"])
    assert found["orders_held"] == {"1": ["attack"], "2": ["attack"]}
    assert found["messages"] == {"total": 9, "last_round": 6, "by_round": [3, 6], "paper_product": 6}


@pytest.mark.parametrize("name", ORAL_STRATEGIES)
def test_every_oral_strategy_runs(name: str) -> None:
    found = document("om", "--n", "7", "--m", "2", "--traitors", "0,6", "--strategy", name, "--seed", "3", "--trace")

    assert found["ic1"]
    assert len(found["trace"]) == found["messages"]["total"]


@pytest.mark.parametrize("name", SIGNED_STRATEGIES)
def test_every_signed_strategy_runs(name: str) -> None:
    found = document("sm", "--n", "5", "--m", "2", "--traitors", "0,4", "--strategy", name, "--trace")

    assert found["ic1"]
    assert len(found["trace"]) == found["messages"]["total"] == sum(found["messages"]["by_round"])


def test_the_order_in_which_traitors_are_named_makes_no_difference() -> None:
    assert document("om", "--n", "7", "--m", "2", "--traitors", "0,3") == document(
        "om", "--n", "7", "--m", "2", "--traitors", "3, 0"
    )


def test_other_commanders_orders_and_choices() -> None:
    found = document("om", "--commander", "2", "--order", "hold the bridge", "--traitors", "0", "--choice", "median")

    assert found["decisions"] == dict.fromkeys(("1", "2", "3"), "hold the bridge")
    assert found["commander"] == 2
    assert found["choice"] == "median"


def test_graphs() -> None:
    oral = document("om", "--n", "8", "--m", "1", "--traitors", "3", "--graph", "circulant:1,4", "--trace")
    signed = document("sm", "--n", "6", "--m", "1", "--traitors", "3", "--graph", "ring")

    assert oral["algorithm"] == "OM(1, 3)"
    assert oral["ic2"]
    assert signed["algorithm"] == "SM(4)", "without general 3 the ring is a line of five, d = 4"
    assert set(signed["decisions"].values()) == {"attack"}
    assert "(for " in run("om", "--n", "8", "--graph", "circulant:1,4", "--trace").stdout


def test_vector() -> None:
    arguments = ("vector", "--n", "4", "--m", "1", "--traitors", "3", "--orders", "attack,retreat,attack,attack")
    found = document(*arguments)

    assert found["consistent"]
    assert found["valid"]
    assert {general: held[:3] for general, held in found["vectors"].items()} == {
        general: ["attack", "retreat", "attack"] for general in ("0", "1", "2")
    }
    assert document(*arguments, "--algorithm", "sm", "--strategy", "forged")["algorithm"] == "SM(1)"
    assert "The loyal generals hold the same vector" in words(run(*arguments))


def test_vectors_that_differ_are_said_to_differ() -> None:
    said = words(
        run("vector", "--n", "3", "--traitors", "2", "--orders", "attack,attack,attack", "--strategy", "constant")
    )

    assert "is not in it at every loyal general" in said


def test_search_finds_and_prints_the_run() -> None:
    said = words(run("search", "--n", "6", "--m", "2"))
    found = document("search", "--n", "6", "--m", "2")

    assert said.startswith("Broken in run ")
    assert "IC2 is broken" in said
    assert found["found"] is True
    assert found["run"]["ic2"] is False


def test_search_that_finds_nothing_says_what_it_covered() -> None:
    assert words(run("search")).startswith("Not broken in 16 runs, and there are no others.")
    assert document("search", "--n", "7", "--m", "2", "--runs", "60") == {
        "found": False,
        "runs": 60,
        "exhaustive": False,
        "space": "the first 60 runs of 7 named strategies, hill climbing",
        "plan": None,
        "run": None,
    }


def test_search_for_what_breaks_signed_messages() -> None:
    found = document("search", "--algorithm", "sm", "--n", "4", "--m", "1", "--traitor-count", "2")

    assert found["run"]["ic1"] is False
    assert document("search", "--algorithm", "sm", "--n", "4", "--m", "1")["exhaustive"] is True


def test_impossibility_prints_the_run_that_fails() -> None:
    said = words(run("impossibility"))

    assert '1 2 attack, "he said retreat" attack, "he said attack" IC2, 1 must attack 1 retreat broken' in said
    assert "Worlds 1 and 3 look the same to 1, worlds 2 and 3 look the same to 2." in said
    assert re.search(r"^0 2\* 1 *$", said, re.MULTILINE)
    assert "Outside the bound: n = 3 is not above 3m = 3." in said


@pytest.mark.parametrize("choice", ["majority", "median"])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_impossibility_for_programs(m: int, choice: str) -> None:
    found = document("impossibility", "--m", str(m), "--choice", choice)

    assert found["broken"] is True
    assert [world["n"] for world in found["worlds"]] == [3 * m] * 3
    assert any(not (world["ic1"] and world["ic2"]) for world in found["worlds"])
    assert sorted(map(tuple, found["same_views"].values())) == [(1, 3)] * m + [(2, 3)] * m


def test_table() -> None:
    said = words(run("table", "--n-max", "4", "--m-max", "1"))
    cells = document("table", "--n-max", "4", "--m-max", "1")

    assert "4 1 2 9 6 holds (all 16 runs) 9 holds (all 108 runs) broken" in said
    assert [(cell["n"], cell["om"]["search"]["found"], cell["sm"]["search"]["found"]) for cell in cells] == [
        (3, True, False),
        (4, False, False),
    ]


@pytest.mark.parametrize("command", [("om",), ("sm",), ("impossibility",)])
def test_svg(command: tuple[str, ...], tmp_path: Path) -> None:
    target = tmp_path / "tree.svg"

    assert run(*command, "--svg", str(target)).exit_code == 0
    assert target.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_works(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = run(command, "--help").stdout
    examples = re.findall(r"quorate generals (.+)", text[text.index("Example:") :])

    assert examples
    for example in examples:
        assert run(*example.split()).exit_code == 0, example


BAD_INPUT = {
    "om --n 0": "n is 0",
    "om --m -1": "m is -1",
    "om --traitors 9": "Traitor 9 is unknown",
    "om --traitors=-1": "Traitor -1 is unknown",
    "om --traitors 0,1,2,3,4": "5 traitors but only 4 generals",
    "om --traitors x": "name them like 0,3",
    "om --traitors 0,,1": "name them like 0,3",
    "om --commander 4": "The commander 4 is unknown",
    "om --strategy forged": "'forged' is not one of",
    "om --n 18 --m 6": "107,732,689 messages",
    "om --n 14 --m 5 --trace": "the limit is 200,000",
    "om --p 3": "give --graph as well",
    "om --graph star": "The graph 'star' is not understood",
    "om --graph line": "not 3-regular",
    "om --graph complete --m 0": "defined for m >= 1",
    "om --graph complete --n 501": "at most 500",
    "om --n 300 --m 0 --svg tree.svg": "too wide for a picture",
    "om --svg nowhere/tree.svg": "nowhere/tree.svg cannot be written",
    "sm --depth -1": "The depth is -1",
    "sm --n 2000": "7,992,002 messages",
    "vector --orders attack": "4 generals need 4 orders, not 1",
    "vector --orders a,b,c,d --strategy forged": "choose --algorithm sm",
    "search --traitor-count 5": "5 traitors but only 4 generals",
    "search --algorithm sm --n 0": "n is 0",
    "search --n 15 --m 5": "2,428,804 messages",
    "impossibility --m 6": "107,732,689 messages",
    "impossibility --m 0": "0 is not in the range",
    "table --n-max 2": "2 is not in the range",
    "table --n-max 15 --m-max 5": "2,428,804 messages",
}


@pytest.mark.parametrize("line", BAD_INPUT)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*line.split())

    assert result.exit_code == 2
    assert result.stdout == ""
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert BAD_INPUT[line] in last
    assert last.endswith(".")
    assert not list(tmp_path.iterdir())
