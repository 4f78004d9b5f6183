"""Steps: scripts and actions, their processes, and what these say to the runner."""
