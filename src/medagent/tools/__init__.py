"""What the agent can do for a caller: one file per tool."""
