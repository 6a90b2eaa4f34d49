"""Small vision towers, trained here: one file a pattern of attention, readouts, and learners of classes in series."""
