"""Methods that measure what happens inside a model, and edit nothing."""
