"""Chaos: a cluster of ordinary processes on this machine is maltreated for a while, from a seed, and then judged.

The plan of faults (`plan`), who may be hit when (`ledger`) and the judgement (`judge`) are pure; `driver` does it.
"""
