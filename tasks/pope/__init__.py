"""POPE: object hallucination as yes/no questions. The class is `harness.tasks.pope.task.Pope`."""
