"""From an event of a call to a span on the wire."""
