"""What a server counts and measures, as Prometheus reads it: ``GET /metrics``. docs/metrics.md says what each means."""
