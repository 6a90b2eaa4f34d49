"""Categories that come session after session: what learners on a frozen tower keep."""
