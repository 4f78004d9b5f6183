"""Settings: their table, their sources, and the secrets among them."""
