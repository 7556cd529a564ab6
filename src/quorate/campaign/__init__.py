"""Campaigns: very many seeds of the simulator on all cores of a machine or of a Dask cluster, and a report of them."""
