"""Spool: files in which a job process stores admitted spans, until the export service has sealed them."""
