"""Breaks the audited system on purpose, one way at a time, and asks the unmodified `medagent audit run` what it says."""
