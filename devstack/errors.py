"""What the runner refuses to do, said in a sentence for whoever started it."""


class DevstackError(Exception):
    """The run cannot go on; the message says why and what to do about it."""
