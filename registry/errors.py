"""What can go wrong with the registry.

RegistryError
├── DatabaseUnreachable   wait and try again: nothing was written
├── WrongVersion          the database belongs to another version of Muster: refuse before anything is written
├── Refused               a rule of ours says no (a second launch, a request that is not verified)
└── NotFound              no such member, request or appeal
"""


class RegistryError(Exception):
    """Base of what the registry raises."""


class DatabaseUnreachable(RegistryError):
    pass


class WrongVersion(RegistryError):
    pass


class Refused(RegistryError):
    pass


class NotFound(RegistryError):
    pass
