"""Traitors: honest replicas and clients whose inputs and outputs are rewritten. They hold real keys.

Nothing of what is shipped to run a cluster imports this package; the simulator does, and a cluster that is started
for attacks. Strategies are found by name in `registry`.
"""
