"""The rules of PBFT, pure: no sockets, clocks, threads, randomness or files inside."""
