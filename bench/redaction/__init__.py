"""Measures of the free-text layers beside other tools: what is removed, what survives, what it costs."""
