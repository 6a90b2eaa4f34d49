"""What this process is."""

alone = False
"""Whether it is harness's own, begun by the command; elsewhere harness is a guest."""
