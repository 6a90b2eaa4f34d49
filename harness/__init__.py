"""harness: any training-free method, on any stock vision-language model, on any task, in one command."""

__version__ = "0.1.0"
