"""Who said it: keys, signatures and authenticators."""
