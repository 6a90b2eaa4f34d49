"""Other tools: their tasks here, our methods there, their logs in, our results out."""
