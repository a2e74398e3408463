"""A database that is away makes a reaction wait, not fail."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from registry.errors import DatabaseUnreachable
from streams.errors import Busy

P = ParamSpec("P")
T = TypeVar("T")


def patient(reaction: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """The reaction, saying `Busy` when the database cannot be reached, so that the same event is tried again."""

    @wraps(reaction)
    async def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await reaction(*args, **kwargs)
        except DatabaseUnreachable as exc:
            raise Busy(f"the database cannot be reached: {exc}") from exc

    return tried
