"""What wakes somebody: rules over the local archive, incidents, their messages, and the same rules for other tools."""
