"""How many messages: the closed formulas, and the refusal of what would not fit (L82 section 3).

L82 quotes "up to (n-1)(n-2)...(n-m-1)" messages for OM(m) and SM(m). For OM that is the last round
alone; the total is the sum of such products over the rounds. SM sends each order once a lieutenant,
which is far less for large m, and for small m more than the product: SM(1) with four generals sends
9 messages, the product is 6.
"""

from collections.abc import Iterator

from quorate.generals.errors import GeneralsError

ORAL_MESSAGES_MAX = 20_000_000
"""A message of OM takes three bytes and well under a microsecond."""

RECORDED_MESSAGES_MAX = 200_000
"""Where every message is an object of its own: SM, OM on graphs, and searches."""

COUNTED_MAX = 10**18
"""Beyond this an exact count says no more than "too many"."""


def oral_rounds(n: int, m: int) -> Iterator[int]:
    """Messages of OM(m) round by round: (n-1), (n-1)(n-2), ... until nobody is left to tell."""
    messages = 1
    for depth in range(min(m, n - 2) + 1):
        messages *= n - 1 - depth
        yield messages


def oral_total(n: int, m: int) -> int:
    """All messages of OM(m): the sum over k = 0..m of (n-1)(n-2)...(n-1-k)."""
    return sum(oral_rounds(n, m))


def paper_product(n: int, m: int) -> int:
    """L82's (n-1)(n-2)...(n-m-1): what OM(m) sends in its last round if nobody keeps silent."""
    product = 1
    for depth in range(min(m, n - 1) + 1):
        product *= n - 1 - depth
    return product


def signed_total_all_loyal(n: int, m: int) -> int:
    """SM(m) without traitors: the commander's n-1, then each lieutenant relays the order once."""
    return (n - 1) + ((n - 1) * (n - 2) if m > 0 else 0)


def require_affordable_oral(n: int, m: int, limit: int = ORAL_MESSAGES_MAX) -> None:
    """Refuse OM(m) before the first message if its tree is too large."""
    total = 0
    for messages in oral_rounds(n, m):
        total += messages
        if total > COUNTED_MAX:
            break
    require_affordable(f"OM({m}) with {n} generals", total, limit)


def require_affordable(what: str, messages: int, limit: int) -> None:
    if messages > limit:
        count = f"{messages:,}" if messages <= COUNTED_MAX else "more than 10^18"
        raise GeneralsError(
            f"{what} takes {count} messages and the limit is {limit:,}: choose fewer generals or a smaller m."
        )
