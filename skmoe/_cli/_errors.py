"""The one exception that the command line shows to its user."""


class UsageError(Exception):
    """Something the user can put right; the message alone is shown, as one line."""
