"""Tokens of GitHub's workflows, and which workflow may ask for what."""
