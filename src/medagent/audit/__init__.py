"""The proof: calls with planted identifiers, every byte that left read again, and a verdict that others can check."""
