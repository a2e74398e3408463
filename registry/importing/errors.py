"""What makes a whole file unusable; what is wrong with single rows goes to the rejects file."""

from registry.errors import RegistryError


class UnusableFile(RegistryError):
    """Nothing of this file was imported.  The text says what is wrong and what to do."""
