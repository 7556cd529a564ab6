"""REPLY (OSDI'99 4.2, 5.1): what a client is told.

DIG-1  Large results are sent whole by one replica, which follows from the client, the session and the timestamp; the
       others send their digest.
DIG-2  What is asked again is answered whole by everybody: who was to send the results may have sent others, or none.

What a client makes of them (DIG-3, DIG-4) is in `client.votes` and `client.session`.
"""

from __future__ import annotations

from quorate.core.context import Core
from quorate.core.quorum import designated_of
from quorate.core.tables import Results
from quorate.messages.digests import are_large, reply_digest
from quorate.messages.protocol import Reply, Request


def send_reply(core: Core, request: Request, outcome: int, results: Results, is_first: bool = False) -> None:
    """REPLY to the client. While its session is part of what is executed tentatively, it says so, and in which view
    that was prepared (TENT-4). *is_first*: the request is executed right now, so its digest may do."""
    tentative = core.tentative if core.tentative is not None and core.tentative.has(request) else None
    view = core.view if tentative is None else tentative.view
    client, session, timestamp = request.client, request.session, request.timestamp
    said = digest_or_whole(core, request, outcome, results) if is_first else results
    core.reply(Reply(view, client, session, timestamp, outcome, said, core.replica_id, tentative is not None))


def digest_or_whole(core: Core, request: Request, outcome: int, results: Results) -> Results | bytes:
    """DIG-1: the results, or their digest where another replica sends them whole."""
    if not core.settings.digest_replies or not are_large(results):
        return results
    designated = designated_of(request.client, request.session, request.timestamp, core.replica_count)
    return results if designated == core.replica_id else reply_digest(outcome, results)
