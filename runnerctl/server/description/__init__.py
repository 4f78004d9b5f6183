"""The API's description (OpenAPI 3.1), made of the routes and of their types, and of nothing beside them."""
