"""Values: they import nothing of ours but how secrets are masked."""
