"""Deterministic services that run on the protocol, and the kit that checks any of them."""
