"""Byzantine fault tolerance for Python."""
