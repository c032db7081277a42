"""What can go wrong in the domain.

    SnowmodeError            everything this project raises on purpose
    ├── FrameError           one picture cannot be used; costs that frame
    ├── ArchiveError         a folder of frames cannot be scanned
    ├── SeasonError          a time rule is malformed, or a name does not follow it
    ├── LabelsError          a table of labels or periods cannot be used
    └── VerificationError    frames that cannot be scored

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


class LabelsError(SnowmodeError):
    """A table of labels or periods cannot be used."""


class VerificationError(SnowmodeError):
    """Frames that cannot be scored."""
