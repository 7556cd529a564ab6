"""Twins (B19; Bano et al., OPODIS 2021): two honest copies of one identity, in every division of the group there is.

`splits` says who is with whom and counts the ways, `scenario` is one run's plan, `world` runs it, `explore` runs many.
"""
