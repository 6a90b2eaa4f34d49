"""ViC-Bench: reasoning with intermediate pictures that the model's own steps bring about."""
