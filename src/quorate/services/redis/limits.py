"""Bounds that keep one command from using up a replica. Redis's own are larger, or absent."""

LONGEST_STRING = 8 << 20
"""Bytes of one argument, key or string value: what Redis calls proto-max-bulk-len."""

LARGEST_REPLY = 64 << 20
"""Bytes of the replies of one operation."""

MOST_RANDOM_ELEMENTS = 1 << 20
"""Elements of one answer that may repeat elements, and so could be larger than what is stored."""

LONGEST_SCAN_COUNT = 1 << 16
"""Keys of one step of SCAN; a larger COUNT, which is a hint, is taken as this."""

EXPIRED_KEYS_A_STEP = 256
"""Expired keys removed at the start of one operation. Those that wait are invisible meanwhile."""
