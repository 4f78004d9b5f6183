"""GitHub's expressions, and the template tokens that hold them."""
