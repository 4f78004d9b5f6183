"""The dashboard in a real browser. ``test_journey`` is in `make test-long`; all of it: `make e2e-web`."""
