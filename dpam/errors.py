"""The one kind of error that a user is meant to read."""

from collections.abc import Sequence

SOME_FAILED = 3  # exit status: some photographs failed, each was named, and all others are done


class DpamError(Exception):
    """Something outside the program is wrong; the message is shown to the user as it stands.

    The message names the file, what was expected, what was found and what to do.
    """


class Interrupted(Exception):
    """A signal asked to stop, and nothing is lost: the same command goes on where it stopped."""


def error_of_many(title: str, offenders: Sequence[str], advice: str = "") -> DpamError:
    """An error about several offenders: a title line, every offender on its own line, advice."""
    lines = [f"{title}:", *(f"  - {offender}" for offender in offenders)]
    return DpamError("\n".join([*lines, advice] if advice else lines))
