"""Who asks, and whether that is proven."""
