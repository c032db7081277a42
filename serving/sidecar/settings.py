"""Settings of the sidecar, checked before anything starts."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from serving.protocol.connection import DEFAULT_TARGET
from serving.protocol.contract import MODEL_NAME

MEBIBYTE = 2**20


class Settings(BaseModel):
    """Everything that `serving sidecar` can be told.

    Attributes:
        server: Model server, ``host:port``.
        model: Name of the servable.
        version_label: Label of the version to explain with; empty takes the newest.
        tls_roots: File of certificates the model server's is checked against; None speaks without TLS.
        database: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.
        archive: Folder of frames, a folder a season in it; None serves no pictures.
        zone: Whose months, days and hours pages show: ``UTC``, ``JST`` or an IANA name.
        longest_gap_minutes: Between two frames of one event.
        tokens: Bearer tokens that may write; without any, everybody who reaches the port may.
        read_only: Whether nobody may write.
        max_body_bytes: Of records and tables sent.
        max_upload_bytes: Of a picture sent.
        max_pixels: Of a picture sent or of the archive.
        requests_per_minute: That one address may ask of the costly pages and calls; 0 for any number.
        job_threads: Jobs at work at the same time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    server: str = Field(default=DEFAULT_TARGET, min_length=1)
    model: str = MODEL_NAME
    version_label: str = ""
    tls_roots: Path | None = None
    database: SecretStr = SecretStr("sqlite:///snowmode.sqlite")
    archive: Path | None = None
    zone: str = "JST"
    longest_gap_minutes: float = Field(default=30.0, gt=0, le=1440)
    tokens: tuple[SecretStr, ...] = ()
    read_only: bool = False
    max_body_bytes: int = Field(default=16 * MEBIBYTE, ge=1024)
    max_upload_bytes: int = Field(default=16 * MEBIBYTE, ge=1024)
    max_pixels: int = Field(default=32_000_000, ge=1)
    requests_per_minute: int = Field(default=600, ge=0)
    job_threads: int = Field(default=1, ge=1, le=16)
