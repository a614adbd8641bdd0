"""The one error of the runner; `__main__` prints its text and exits with code 2."""


class DevstackError(Exception):
    """The run cannot continue. The text gives the reason and the remedy."""
