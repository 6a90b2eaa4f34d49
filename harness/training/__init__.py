"""The training loop of every model that is trained here."""
