"""Real backends beside each other: Phoenix and MLflow, installed, started, sent the same calls, and read back."""
