"""Backups: a checkpoint in a file, with the certificate by which a quorum vouches for every byte (docs/BACKUP.md)."""
