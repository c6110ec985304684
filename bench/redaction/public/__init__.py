"""Measure the free-text layers on public sets, of which only a local copy is read."""
