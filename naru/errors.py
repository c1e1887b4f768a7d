"""What stands for something the user can mend."""


class NaruError(Exception):
    """What went wrong, where, what was got, what was expected, and the fix, in one readable message.

    The command line prints it and exits with status 1; the service turns it into a JSON error.
    """


class UnavailableError(NaruError):
    """Nothing is wrong with what was asked: something it needs does not answer now. The service says 503."""
