"""The one way to speak HTTP: to GitHub, to where packages are downloaded from, and to OIDC issuers."""
