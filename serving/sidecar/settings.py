"""Settings of the sidecar, checked before anything starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from radar import jma
from radar.errors import SeasonError
from radar.seasons import find_zone
from serving.protocol.connection import DEFAULT_TARGET
from serving.protocol.contract import MODEL_NAME
from serving.protocol.embedded import PREFIX
from serving.protocol.targets import TargetError, check_tls_target, read_target
from serving.protocol.tls import Tls, TlsError, read_tls
from serving.sidecar.errors import SettingsError

MEBIBYTE = 2**20

SHORTEST_TOKEN: Final = 16
"""Characters; what can be guessed protects nothing."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")  # RFC 6750


class Settings(BaseModel):
    """Everything that `serving sidecar` can be told.

    Attributes:
        server: Model server, ``host:port``.
        model: Name of the servable.
        version_label: Label of the version to explain with; empty takes the newest.
        tls_ca: File of certificates the model server's is checked against; None speaks without TLS.
        tls_cert: File of the certificate to show it; None shows none.
        tls_key: File of its private key.
        database: ``sqlite:///FILE`` or ``postgresql://USER:PASSWORD@HOST/NAME``.
        archive: Folder of frames, a folder a season in it; None serves no pictures.
        window: Part of JMA composites in the archive, as `client watch` and `client classify` were told.
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
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    database: SecretStr = SecretStr("sqlite:///snowmode.sqlite")
    archive: Path | None = None
    window: str = "hokushinetsu"
    zone: str = "JST"
    longest_gap_minutes: float = Field(default=30.0, gt=0, le=1440)
    tokens: tuple[SecretStr, ...] = ()
    read_only: bool = False
    max_body_bytes: int = Field(default=16 * MEBIBYTE, ge=1024)
    max_upload_bytes: int = Field(default=16 * MEBIBYTE, ge=1024)
    max_pixels: int = Field(default=32_000_000, ge=1)
    requests_per_minute: int = Field(default=600, ge=0)
    job_threads: int = Field(default=1, ge=1, le=16)


def read_settings(**given: Any) -> Settings:
    """Makes settings of what the command was given, and checks what can be checked before anything starts.

    Raises:
        SettingsError: Something makes no sense.
    """
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][0] if first["loc"] else "settings").replace("_", "-")
        raise SettingsError(f"--{option}: {first['msg']}, received {first.get('input')!r}") from error
    try:
        settings = settings.model_copy(update={"server": read_target(settings.server)})
    except TargetError as error:
        raise SettingsError(f"--server: {error}") from error
    try:
        find_zone(settings.zone)
    except SeasonError as error:
        raise SettingsError(f"--zone: {error}") from error
    try:
        jma.Window.parse(settings.window)
    except jma.WindowError as error:
        raise SettingsError(f"--window: {error}") from error
    if settings.archive is not None and not settings.archive.is_dir():
        raise SettingsError(
            f"--archive: expected a folder with a folder a season, received {str(settings.archive)!r}"
        )
    read_tls_of(settings)
    return settings


def read_tokens(given: Sequence[str], file: Path | None) -> tuple[SecretStr, ...]:
    """Gathers tokens of options and of a file, and checks them.

    Args:
        given: One each.
        file: One a line; ``#`` begins a comment.

    Raises:
        SettingsError: The file cannot be read or holds none, or one is no token.
    """
    found = list(given)
    if file is not None:
        try:
            lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--token-file {file}: cannot be read: {error}") from error
        if not any(lines):
            raise SettingsError(f"--token-file {file}: expected one token a line, received none")
        found += [line for line in lines if line]
    for number, token in enumerate(found, 1):
        if len(token) < SHORTEST_TOKEN or not _TOKEN.fullmatch(token):
            raise SettingsError(
                f"Token {number} of {len(found)}: expected at least {SHORTEST_TOKEN} letters, digits or ._~+/=-, "
                f"received {len(token)} characters. Make one: openssl rand -hex 32"
            )
    return tuple(SecretStr(token) for token in dict.fromkeys(found))


def read_tls_of(settings: Settings) -> Tls | None:
    """Reads the certificates the model server is spoken to with.

    Returns:
        None for plain text, which an embedded server always speaks.

    Raises:
        SettingsError: A file cannot be read or holds something else, or they do not belong together.
    """
    if settings.server.startswith(PREFIX):
        return None
    try:
        tls = read_tls(settings.tls_ca, settings.tls_cert, settings.tls_key)
        if tls is not None:
            check_tls_target(settings.server)
        return tls
    except (TlsError, TargetError) as error:
        raise SettingsError(str(error)) from error
