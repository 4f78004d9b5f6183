"""Answers that go on: what happens to the runners, and what their logs get."""
