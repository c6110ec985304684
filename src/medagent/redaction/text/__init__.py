"""Free text: what this call knows of its caller, and which words anybody may know. Pure, no I/O."""
