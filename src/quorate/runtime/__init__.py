"""A replica as a process: the core, driven by sockets, a clock and storage."""
