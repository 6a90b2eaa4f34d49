"""Methods that edit attention."""
