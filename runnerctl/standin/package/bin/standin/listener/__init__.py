"""``Runner.Listener``: its commands, its session at the broker, and the one job at a time that it hands on."""
