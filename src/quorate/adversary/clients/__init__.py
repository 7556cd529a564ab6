"""What a client that lies does: one strategy a file. Ids such as C1 name the rows of the attack catalogue."""
