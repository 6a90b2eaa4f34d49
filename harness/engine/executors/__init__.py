"""Where a run plays."""
