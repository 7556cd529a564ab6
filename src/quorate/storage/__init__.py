"""Where a replica's votes are kept."""
