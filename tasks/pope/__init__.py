"""POPE: object hallucination as yes/no questions. The class is `tasks.pope.task.Pope`."""
