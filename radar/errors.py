"""What can go wrong in the domain.

    SnowmodeError            everything this project raises on purpose
    ├── FrameError           one picture cannot be used; costs that frame
    ├── ArchiveError         a folder of frames cannot be scanned
    ├── SeasonError          a time rule is malformed, or a name does not follow it
    └── VerificationError    labels or predictions that cannot be scored

Other packages hang their own branches on `SnowmodeError`.
"""


class SnowmodeError(Exception):
    """Base of every error this project raises on purpose; its text is meant to be read by a person."""


class FrameError(SnowmodeError):
    """One picture cannot be used as a radar frame."""


class ArchiveError(SnowmodeError):
    """A folder of frames cannot be scanned."""


class SeasonError(SnowmodeError):
    """A time rule is malformed, or a frame's name does not follow it."""


class VerificationError(SnowmodeError):
    """Labels, periods or predictions that cannot be scored."""
