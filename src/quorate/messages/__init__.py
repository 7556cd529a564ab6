"""What is said: one frozen type a message, the records kept on disk, the codec and the digests."""
