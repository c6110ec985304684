"""The durable queue between the worker and the wire: admitted spans only, each in its call's hash chain."""

from medagent.telemetry.outbox.deliveries import Deleted
from medagent.telemetry.outbox.outbox import Outbox
from medagent.telemetry.outbox.status import OutboxStatus, SetAside
from medagent.telemetry.outbox.transaction import Release, Transaction

__all__ = ["Deleted", "Outbox", "OutboxStatus", "Release", "SetAside", "Transaction"]
