"""The log of every job, live, over WebSocket, SSE and HTTP."""
