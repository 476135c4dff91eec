"""The MCP server: the same jobs for AI agents, in few words."""
