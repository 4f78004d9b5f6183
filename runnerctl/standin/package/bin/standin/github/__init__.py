"""How GitHub is called: HTTP, a WebSocket, access tokens, and the one service that Listener and Worker share."""
