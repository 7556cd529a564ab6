"""Charts are readable: round ticks around all values, labels with units, a legend."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from benchmarks.charts import Axis, Bar, Bars, Chart, Mark, Series, decades, draw, draw_bars, in_lines, number, steps
from hypothesis import given
from hypothesis import strategies as st

SVG = "{http://www.w3.org/2000/svg}"
POSITIVE = st.floats(1e-4, 1e9)


def words_of(picture: str) -> list[str]:
    """All texts of a document."""
    return [element.text or "" for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]


@given(POSITIVE, POSITIVE)
def test_a_logarithmic_axis_has_all_values_between_its_ends(one, other):
    low, high = sorted((one, other))
    ticks = decades(low, high)

    assert ticks[0] <= low * (1 + 1e-6)
    assert high * (1 - 1e-6) <= ticks[-1]
    assert ticks == sorted(set(ticks))
    assert 2 <= len(ticks) <= 15


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_linear_axis_has_all_values_between_its_ends(one, other):
    low, high = sorted((one, other))
    ticks = steps(low, high)
    slack = 1e-6 * max(1.0, abs(low), abs(high))

    assert ticks[0] <= low + slack
    assert high - slack <= ticks[-1]
    assert 2 <= len(ticks) <= 12


def test_ticks_are_round():
    assert decades(30, 900) == [20, 50, 100, 200, 500, 1000]
    assert decades(3, 90_000) == [1, 10, 100, 1000, 10_000, 100_000]
    assert steps(0, 37) == [0, 10, 20, 30, 40]
    assert [number(value) for value in (0.5, 20, 1000, 250_000)] == ["0.5", "20", "1,000", "250,000"]


def test_a_chart_says_what_it_shows():
    series = [Series("ours", [(1, 10), (10, 20)]), Series("a peer's that has a long name indeed", [(1, 1), (5, 4)])]
    picture = draw(
        Chart("Title", Axis("load, 1/s", is_logarithmic=True), Axis("time, ms"), series, [Mark(2, "killed")])
    )

    words = words_of(picture)
    for expected in ("Title", "load, 1/s", "time, ms", "ours", "a peer's that has a long", "name indeed", "killed"):
        assert expected in words
    assert len(ElementTree.fromstring(picture).findall(f"{SVG}polyline")) == 2


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=5), st.booleans())
def test_every_point_is_inside_of_the_picture(points, is_logarithmic):
    axis = Axis("x", is_logarithmic=is_logarithmic)
    picture = ElementTree.fromstring(draw(Chart("Title", axis, axis, [Series("s", points)])))

    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    line = picture.find(f"{SVG}polyline")
    assert line is not None
    for place in line.attrib["points"].split():
        across, up = map(float, place.split(","))
        assert 0 < across < width
        assert 0 < up < height


@pytest.mark.parametrize("count", [1, 5, 60])
def test_bars_have_all_their_names_and_stay_inside(count):
    bars = [Bar(f"attack-{at}", at / count, f"{at} %", is_bad=at < 3) for at in range(count)]
    picture = draw_bars(Bars("Title", "share", bars, 0.7, "70 %"))

    words = words_of(picture)
    assert all(bar.name in words and bar.words in words for bar in bars)
    root = ElementTree.fromstring(picture)
    bottom = float(root.attrib["viewBox"].split()[3])
    for bar in root.findall(f"{SVG}rect"):
        assert float(bar.attrib.get("y", 0)) + float(bar.attrib["height"]) <= bottom


def test_long_names_are_broken_once():
    assert in_lines("short") == ["short"]
    assert in_lines("one two three four five six seven") == ["one two three four five six", "seven"]
