"""The laboratory: clusters of real processes whose replicas can be turned into traitors, attacked and judged.

Only `quorate up --lab` and `quorate attack` start such replicas; an ordinary one cannot be turned.
"""
