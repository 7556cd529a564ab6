"""Small parts of a page that stands alone: text is escaped unless it is said to be HTML, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


class Column(NamedTuple):
    """A column of a table."""

    title: str
    is_number: bool = False


STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d8dee6; --paper: #ffffff; --card: #f4f6f9;
  --good: #1a7f4b; --bad: #c0322b; --mark: #2f6fd0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b4; --line: #343c47; --paper: #14181d;
  --card: #1d232a; --good: #4cc38a; --bad: #ff7b72; --mark: #78a9ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.6rem 0 .4rem; }
p { margin: .3rem 0 .8rem; max-width: 60rem; } .soft { color: var(--soft); }
.good { color: var(--good); } .bad { color: var(--bad); } .verdict { font-size: 1.1rem; font-weight: 600; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .7rem; margin: 1.2rem 0; }
.card { background: var(--card); border-radius: .5rem; padding: .7rem .9rem; }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.card span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
.narrow table { width: auto; min-width: 22rem; }
th { color: var(--soft); font-weight: 600; } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
code, pre { font: .85em/1.45 ui-monospace, monospace; } pre { background: var(--card); padding: .7rem .9rem;
  border-radius: .5rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0 .9rem; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg .ink { fill: var(--ink); } svg .line { fill: none; stroke: var(--mark); stroke-width: 2; }
svg .area { fill: var(--mark); opacity: .15; } svg .grid { stroke: var(--line); } svg .back { fill: var(--line); }
svg .bar { fill: var(--mark); } svg .fall { fill: var(--bad); }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--soft); }
"""


def markup(value: object) -> Html:
    """A value as HTML."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def joined(*parts: object) -> Html:
    """Values one after the other."""
    return Html("".join(map(markup, parts)))


def element(name: str, *parts: object, css: str = "") -> Html:
    """An element around values."""
    attribute = f' class="{escape(css)}"' if css else ""
    return Html(f"<{name}{attribute}>{joined(*parts)}</{name}>")


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]], css: str = "wide") -> Html:
    """A table; a wide one is scrolled by itself."""
    sides = ["number" if column.is_number else "" for column in columns]
    head = joined(*(element("th", column.title, css=name) for column, name in zip(columns, sides, strict=True)))
    body = [
        element("tr", *(element("td", cell, css=name) for cell, name in zip(row, sides, strict=True))) for row in rows
    ]
    inner = joined(element("thead", element("tr", head)), element("tbody", *body))
    return element("div", element("table", inner), css=css)


def section(title: str, *parts: object) -> Html:
    """A part of the page with its title."""
    return element("section", element("h2", title), *parts)


def folded(title: str, *parts: object) -> Html:
    """Something that is shown when it is asked for."""
    return element("details", element("summary", title), *parts)


def page(title: str, *parts: object) -> str:
    """The whole file."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>{joined(*parts)}</body></html>\n"
    )
