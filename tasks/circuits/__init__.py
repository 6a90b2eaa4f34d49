"""Two tasks that one circuit of heads is said to solve, each prompt with its counterpart, for the probe heads."""
