"""Breaks the audited system on purpose, one way at a time; the unmodified `medagent audit run` must say so and why."""
