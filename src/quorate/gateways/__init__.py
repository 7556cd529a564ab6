"""Foreign protocols turned into client calls: a program that knows nothing of Quorate uses a replicated service."""
