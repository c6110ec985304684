"""The durable queue between the worker and the wire: admitted spans only, each in its call's hash chain."""

from medagent.telemetry.outbox.deliveries import Deleted, Lacking
from medagent.telemetry.outbox.outbox import Outbox
from medagent.telemetry.outbox.ownership import Mark, OpenCall
from medagent.telemetry.outbox.receipts import DeletionRequest, Queued, Receipt, TraceDelivery
from medagent.telemetry.outbox.spools import StoredSpool
from medagent.telemetry.outbox.status import OutboxStatus, SetAside
from medagent.telemetry.outbox.transaction import Adopted, Transaction

__all__ = [
    "Adopted",
    "Deleted",
    "DeletionRequest",
    "Lacking",
    "Mark",
    "OpenCall",
    "Outbox",
    "OutboxStatus",
    "Queued",
    "Receipt",
    "SetAside",
    "StoredSpool",
    "TraceDelivery",
    "Transaction",
]
