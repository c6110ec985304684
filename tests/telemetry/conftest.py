from databases import postgresql_server, postgresql_url
from outboxes import outbox_url

__all__ = ["outbox_url", "postgresql_server", "postgresql_url"]
