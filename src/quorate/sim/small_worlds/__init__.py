"""Small worlds, exhaustively: every run of the real core within stated bounds, not a sample of them.

`bounds`    what is explored: how many requests, views, digests, who lies
`cluster`   real replicas under symbolic authentication
`copying`   exact copies of a replica, and its state as a value
`forgetting`  what a state is reduced to: all but what can be delivered again
`alphabet`  messages as bits, so that what is under way is one integer
`traitor`   all that the keys of the traitors allow
`behaviour` one replica: its states and the deliveries that lead from one to the next, found by running the core
`properties`  what must hold between any two correct replicas
`search`    all replicas together: breadth first, until no state is left
`narration` a violation's shortest run, for people, and run again on untouched replicas

docs/SMALL-WORLDS.md says why the reductions lose nothing, and what was run.
"""
