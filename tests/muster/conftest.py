"""What the board reads lies in both kinds of database."""

from tests.registry.conftest import database, empty_url

__all__ = ["database", "empty_url"]
