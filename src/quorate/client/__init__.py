"""The client: one session's rules, and the asynchronous and the blocking face over them."""
