"""What both logs promise when a worker dies: nothing acknowledged is lost, the rest comes again, and no hole is left."""

from streams.url import EmbeddedLog, parse
from tests.servers.process import ServerProcess
from tests.streams.contract import Case


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last)]


def test_what_was_not_acknowledged_comes_again_after_kill_9(case: Case):
    case.publish(*numbers(0, 10), partition=0)

    with case.worker(held=("5",)) as first:
        case.wait_committed(first, partition=0, offset=5)
        first.kill()
    with case.worker(held=()) as second:
        case.wait_for(second, numbers(5, 10))

    assert case.names(first) == numbers(0, 5)
    assert case.names(second) == numbers(5, 10)


def test_nothing_is_lost_by_kill_9_in_the_middle_of_many(case: Case):
    for partition in range(case.plan.partitions):
        case.publish(*[f"{partition}/{n}" for n in range(100)], partition=partition)
    every = {f"{partition}/{n}" for partition in range(case.plan.partitions) for n in range(100)}

    with case.worker(concurrency=8) as first:
        case.wait(first, lambda: len(case.names()) > 150)
        first.kill()
    assert len(case.names(first)) < len(every), "the kill came too late to show anything"
    with case.worker() as second:
        case.wait(second, lambda: set(case.names()) == every)


def test_a_restarted_worker_goes_on_where_it_committed(case: Case):
    case.publish(*numbers(0, 10), partition=0)
    with case.worker() as first:
        case.wait_for(first, numbers(0, 10))
        first.stop()
    case.publish(*numbers(10, 20), partition=0)
    with case.worker() as second:
        case.wait_for(second, numbers(10, 20))

    assert case.names() == numbers(0, 20)


def test_events_acknowledged_out_of_order_leave_no_hole(case: Case):
    case.publish(*numbers(0, 10), partition=0)

    with case.worker(held=("3",), concurrency=16) as first:
        case.wait_for(first, [*numbers(0, 3), *numbers(4, 10)])
        case.publish("later", partition=1)  # its commit shows that all that may be committed has been
        case.wait_committed(first, partition=1, offset=1)
        assert case.committed() == {0: 3, 1: 1}
        first.kill()
    with case.worker(held=()) as second:
        case.wait_for(second, numbers(3, 10))

    assert sorted(case.names(second)) == numbers(3, 10)


def test_a_bug_ends_the_worker_and_its_event_comes_again(case: Case):
    case.publish(*numbers(0, 6), partition=0)

    with case.worker(broken=("3",)) as first:
        assert first.wait(seconds=60) != 0
    with case.worker(broken=()) as second:
        case.wait_for(second, numbers(3, 6))

    assert case.names(first) == numbers(0, 3)
    assert [name for name in case.names(second) if int(name) >= 3] == numbers(3, 6)


def test_a_table_is_exact_after_kill_9_and_after_a_restart(case: Case):
    keys = ["a", "b", "c", "d", "e"]
    for key in keys:
        case.publish(*[f"{key}{n}" for n in range(30)], key=key)

    with case.worker(counts=True) as first:
        case.wait(first, lambda: len(case.names()) > 50)
        first.kill()
    with case.worker() as second:
        case.wait(second, lambda: len(set(case.names())) == len(keys) * 30)
        second.stop()
    for key in keys:
        case.publish(f"{key}30", key=key)
    with case.worker() as third:
        case.wait_for(third, [f"{key}30" for key in keys])

    assert {fact["key"]: fact["count"] for fact in case.seen(third)} == dict.fromkeys(keys, 31)


def _ours(case: Case, worker: ServerProcess) -> list[int] | None:
    """What this worker was told last."""
    told = [fact["ours"] for fact in case.facts() if fact.get("of") == worker.pid]
    return told[-1] if told else None


def test_a_worker_is_told_which_partitions_are_its_own(case: Case):
    every = list(range(case.plan.partitions))
    with case.worker() as first:
        case.wait(first, lambda: _ours(case, first) == every)
        if isinstance(parse(case.plan.log), EmbeddedLog):
            return  # a second worker is refused there
        with case.worker() as second:
            case.wait(second, lambda: bool(_ours(case, second)))
            case.wait(second, lambda: sorted((_ours(case, first) or []) + (_ours(case, second) or [])) == every)
            first.kill()
            case.wait(second, lambda: _ours(case, second) == every)
