"""Dispatch: release, claim, send, record.  Bulk and urgent lanes share everything but their topic and their places."""
