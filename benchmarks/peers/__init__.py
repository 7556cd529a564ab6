"""Servers that exist for comparison only."""
