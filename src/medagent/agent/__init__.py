"""The only room, with the simulated caller, that knows LiveKit."""
