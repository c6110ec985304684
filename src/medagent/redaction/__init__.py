"""What may leave a record: the policy, the engine that walks under it, one pure function per action."""
