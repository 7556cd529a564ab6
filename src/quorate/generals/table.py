"""The bounds as a table: for each n and m what the algorithms cost, and whether they held."""

from collections.abc import Iterator
from dataclasses import dataclass

from quorate.generals.counting import (
    RECORDED_MESSAGES_MAX,
    oral_total,
    paper_product,
    require_affordable_oral,
    signed_total_all_loyal,
)
from quorate.generals.orders import Choice, majority
from quorate.generals.search import SearchResult, search_oral
from quorate.generals.search_signed import search_signed

MESSAGES_PER_CELL = 100_000
RUNS_PER_CELL_MAX = 2_000
SIGNED_RUNS_PER_CELL = 300


@dataclass(frozen=True)
class Cell:
    """OM(m) and SM(m) with n generals: searched with m traitors, and SM(m) with one more too."""

    n: int
    m: int
    oral: SearchResult
    signed: SearchResult
    signed_one_more: SearchResult | None
    """None where fewer than two lieutenants would be loyal: then nothing can be broken (section 4)."""

    @property
    def rounds(self) -> int:
        return self.m + 1

    @property
    def oral_total(self) -> int:
        return oral_total(self.n, self.m)

    @property
    def oral_last_round(self) -> int:
        return paper_product(self.n, self.m)

    @property
    def signed_total(self) -> int:
        return signed_total_all_loyal(self.n, self.m)

    @property
    def is_inside_oral_bound(self) -> bool:
        return self.n > 3 * self.m

    @property
    def is_defect(self) -> bool:
        """A theorem says that it holds, and it was broken."""
        return self.signed.found is not None or (self.is_inside_oral_bound and self.oral.found is not None)


def table(n_max: int, m_max: int, choice: Choice = majority, seed: int = 0) -> Iterator[Cell]:
    """Every n from 3 to n_max with every m from 1 to m_max that leaves two generals loyal."""
    require_affordable_oral(n_max, min(m_max, n_max - 2), RECORDED_MESSAGES_MAX)
    for n in range(3, n_max + 1):
        for m in range(1, min(m_max, n - 2) + 1):
            yield _cell(n, m, choice, seed)


def _cell(n: int, m: int, choice: Choice, seed: int) -> Cell:
    runs_max = max(20, min(RUNS_PER_CELL_MAX, MESSAGES_PER_CELL // oral_total(n, m)))
    return Cell(
        n=n,
        m=m,
        oral=search_oral(n, m, m, choice=choice, seed=seed, runs_max=runs_max),
        signed=search_signed(n, m, m, choice=choice, seed=seed, runs_max=SIGNED_RUNS_PER_CELL),
        signed_one_more=search_signed(n, m, m + 1, choice=choice, seed=seed, runs_max=SIGNED_RUNS_PER_CELL)
        if n >= m + 3
        else None,
    )
