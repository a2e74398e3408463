"""What can go wrong with the log.

StreamsError
├── LogUnreachable   wait and try again: nothing was written
│   └── NoTopics     nobody has made this log yet
├── WrongVersion     the log belongs to another version of Muster: refuse before anything is written
├── WorkerRunning    another worker holds the embedded log: refuse to start
├── BadLogURL        MUSTER_LOG is no address of a log
├── ShortSession     the broker lets nobody have as short a session: refuse to start
├── Busy             a reaction cannot go on now: the same event is tried again
└── Unprocessable    a reaction can never act on this event: it goes to the dead letters
"""


class StreamsError(Exception):
    """Base of what streams/ raises."""


class LogUnreachable(StreamsError):
    pass


class NoTopics(LogUnreachable):
    pass


class WrongVersion(StreamsError):
    pass


class WorkerRunning(StreamsError):
    pass


class BadLogURL(StreamsError):
    pass


class ShortSession(StreamsError):
    pass


class Busy(StreamsError):
    pass


class Unprocessable(StreamsError):
    pass
