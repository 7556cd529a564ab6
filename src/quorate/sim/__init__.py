"""The simulator: a whole cluster in one thread, under virtual time, everything from one seed."""
