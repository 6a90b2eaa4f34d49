"""The regression gate: committed baseline runs, a policy, verdicts, reports and alerts."""
