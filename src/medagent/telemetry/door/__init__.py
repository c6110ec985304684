"""The one place through which telemetry leaves: admission before the outbox, exit before the wire."""
