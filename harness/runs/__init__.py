"""A run on disk: its directory, record, journal, identity and environment."""
