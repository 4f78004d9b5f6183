"""One module a topic; each lists its routes in ``ROUTES``."""
