"""``Runner.Worker``: one job, from its message to its completion."""
