"""Agents work on both kinds of database; an appeal that is open is what most of them need."""

from tests.registry.conftest import database, empty_url

__all__ = ["database", "empty_url"]
