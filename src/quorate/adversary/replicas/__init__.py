"""What a replica that lies does: one strategy a file. Ids such as P2 or B8 name the rows of the attack catalogue."""
