"""Disjoint seed ranges: a picture seen in training or calibration never appears in an evaluation."""

TRAINING = range(10_000_000)
"""The embedded model's training pictures."""

CALIBRATION = range(20_000_000, 21_000_000)
"""For methods that estimate a direction or a threshold, and for choosing the best checkpoint."""

EVALUATION = range(30_000_000, 31_000_000)
"""Held out: the embedded tasks and the model card's scores."""
