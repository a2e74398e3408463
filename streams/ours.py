"""Which partitions of a topic are this worker's."""

from collections.abc import Callable, Collection, Iterable

import faust


def follow_ours(app: faust.App, topic: str, tell: Callable[[Collection[int]], None]) -> None:
    """Call `tell` with the partitions of this topic that this app follows, whenever these change."""
    ours: set[int] = set()

    async def assigned(_: faust.App, assigned: Iterable[tuple[str, int]], **__: object) -> None:
        ours.clear()
        ours.update(partition for name, partition in assigned if name == topic)
        tell(frozenset(ours))

    async def revoked(_: faust.App, revoked: Iterable[tuple[str, int]], **__: object) -> None:
        ours.difference_update(partition for name, partition in revoked if name == topic)
        tell(frozenset(ours))

    app.on_partitions_assigned.connect(assigned)
    app.on_partitions_revoked.connect(revoked)
