from databases import clinic, clinic_url, now, postgresql_server, postgresql_url, sqlite_url

__all__ = ["clinic", "clinic_url", "now", "postgresql_server", "postgresql_url", "sqlite_url"]
