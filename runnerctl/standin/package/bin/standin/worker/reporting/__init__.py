"""What GitHub is told while a job runs: states of steps, live output, logs, summaries."""
