"""How frames travel: length-prefixed framing, mutually authenticated links, reconnection."""
