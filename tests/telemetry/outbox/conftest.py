from databases import postgresql_server, postgresql_url
from outboxes import make_outbox, outbox, outbox_url

__all__ = ["make_outbox", "outbox", "outbox_url", "postgresql_server", "postgresql_url"]
