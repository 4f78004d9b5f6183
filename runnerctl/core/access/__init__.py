"""Who may ask for what: API tokens, their scopes, and the limits of the tenants they belong to."""
