"""Ideas that have exactly one home, for all other rooms."""
