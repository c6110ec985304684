"""The destinations: each a pure mapping from a span to its wire form."""
