"""LiveKit's own tests and examples, traced, each session compared with what LiveKit itself reports of it."""
