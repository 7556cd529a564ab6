"""The results file of a campaign: a JSON line for each range of seeds that was run, added as it comes.

What was not written whole, because the machine or the program stopped half way, is cut off when the file is opened
again; its seeds are run again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from quorate.campaign.selection import Seeds, Selection
from quorate.campaign.summary import FORMAT, Arcs, Summary, Tally
from quorate.errors import ConfigurationError

RESULTS: Final = "results.jsonl"
REPORT: Final = "report.html"


class Record:
    """A results file, open for this process alone."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.summaries: Final[list[Summary]] = []
        """What is in the file; where execution went stands in `arcs` only."""
        self.arcs: Final[dict[str, Arcs]] = {}
        """Where execution went, by the digest of the sources."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b", buffering=0)  # noqa: SIM115 - closed by `close`
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}; choose another place") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read()
        except BlockingIOError:
            self.close()
            raise ConfigurationError(f"{path} is in use by another campaign: wait for it, or stop it") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the file to others."""
        self._file.close()

    def append(self, summary: Summary) -> None:
        """Write a summary to the file, without what it says of the branches that is known."""
        known = self.arcs.setdefault(summary.sources, {})
        news = {name: taken - known.get(name, set()) for name, taken in summary.arcs.items()}
        summary.arcs = {name: taken for name, taken in news.items() if taken}
        self._file.write(msgspec.json.encode(summary) + b"\n")
        self._keep(summary)

    def done(self, selection: Selection, sources: str) -> list[Seeds]:
        """The ranges of seeds that these sources have run with this selection."""
        return [
            summary.seeds for summary in self.summaries if (summary.sources, summary.selection) == (sources, selection)
        ]

    def tally(self, chosen: Callable[[Summary], bool] = lambda _: True) -> Tally:
        """What the chosen summaries add up to, without branches."""
        tally = Tally()
        for summary in self.summaries:
            if chosen(summary):
                tally.add(summary)
        return tally

    def _keep(self, summary: Summary) -> None:
        known = self.arcs.setdefault(summary.sources, {})
        for name, taken in summary.arcs.items():
            known.setdefault(name, set()).update(taken)
        summary.arcs = {}
        self.summaries.append(summary)

    def _read(self) -> None:
        whole = 0
        for number, line in enumerate(self._lines(), start=1):
            if not line.endswith(b"\n"):
                break
            self._keep(self._parse(number, line))
            whole += len(line)
        if whole < self._file.seek(0, os.SEEK_END):
            self._file.truncate(whole)

    def _lines(self) -> Iterator[bytes]:
        with open(self.path, "rb") as file:
            yield from file

    def _parse(self, number: int, line: bytes) -> Summary:
        try:
            summary = msgspec.json.decode(line, type=Summary)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{self.path}, line {number} is not a campaign's result: {error}; choose another file, or remove it"
            ) from None
        if summary.format != FORMAT:
            raise ConfigurationError(
                f"{self.path}, line {number} has format {summary.format}; this version writes format {FORMAT}: "
                "choose another file"
            )
        return summary
