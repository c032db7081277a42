"""Parts agree with each other: who calls whom, with what words, and where the data lies."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from tests.k8s.command_lines import environment_of
from tests.k8s.objects import Container, containers, of_kind
from tests.k8s.policies import policy
from tests.k8s.policies.commands import SCRATCH, our_lines
from tests.k8s.rendering import Objects

PEERS = {
    "watch": {"server": "model-server", "sidecar": "sidecar"},
    "classify": {"server": "model-server"},
    "record": {"sidecar": "sidecar"},
    "sidecar": {"server": "localhost"},
}


@policy
def commands_are_told_of_their_peers(objects: Objects) -> list[str]:
    """What is not told has a default, localhost, where nobody listens."""
    found = []
    for line, done in our_lines(objects):
        for name, host in PEERS.get(done.command, {}).items():
            if host not in str(done.parameters.get(name)):
                given = done.parameters.get(name)
                found.append(f"{line.container.name}: --{name}: expected an address of {host}, received {given}")
        if done.command in ("promote", "rollback") and not done.parameters.get("once"):
            found.append(f"{line.container.name}: tried again it would be carried out twice; expected SNOWMODE_ONCE")
        if done.command == "run" and not done.parameters.get("name"):
            found.append(f"{line.container.name}: tried again it would begin anew; expected --name")
    return found


@policy
def what_is_read_and_written_is_mounted(objects: Objects) -> list[str]:
    found = []
    for line, done in our_lines(objects):
        mounts = [Path(mount["mountPath"]) for mount in line.container.spec.get("volumeMounts", [])]
        for name, value in done.parameters.items():
            for path in value if isinstance(value, (list, tuple)) else [value]:
                if not isinstance(path, Path) or not path.is_absolute() or path.is_relative_to(SCRATCH):
                    continue
                if not any(path.is_relative_to(mount) for mount in mounts):
                    found.append(f"{line.container.name}: {name} {path}: nothing is mounted there")
    return found


@policy
def the_sidecar_shows_the_frames_that_the_watcher_takes(objects: Objects) -> list[str]:
    """It finds a frame as ARCHIVE/SEASON/NAME, so the watcher's folder is one of the archive, named by the season."""
    read = list(our_lines(objects))
    shown = [
        _claim_at(line.container, done.parameters["archive"])
        for line, done in read
        if done.command == "sidecar" and done.parameters.get("archive")
    ]
    found = []
    for line, done in read:
        if done.command != "watch":
            continue
        claim, below = _claim_at(line.container, done.parameters.get("folder"))
        season = line.environment.get("SNOWMODE_WATCH_SEASON", "")
        folder = below.replace("$(SNOWMODE_WATCH_SEASON)", season)
        if (claim, "") not in shown or not season or folder != season:
            expected = ", ".join(f"{name}/{season}" for name, _ in shown)
            found.append(f"{line.container.name}: it takes frames of {claim}/{folder}; the sidecar shows {expected}")
    return found


def _claim_at(container: Container, path: Path | None) -> tuple[str, str]:
    for mount in container.spec.get("volumeMounts", []):
        if Path(mount["mountPath"]) == path:
            claim = container.pod.volumes[mount["name"]].get("persistentVolumeClaim", {}).get("claimName", "")
            return claim, mount.get("subPathExpr", mount.get("subPath", ""))
    return "", ""


@policy
def the_database_is_the_one_that_is_asked(objects: Objects) -> list[str]:
    found = []
    for entry in of_kind(objects, "StatefulSet"):
        (part,) = (part for part in containers(objects) if part.pod.owner is entry)
        own = environment_of(objects, part)
        sources = {entry["name"]: entry.get("valueFrom", {}) for entry in part.spec.get("env", [])}
        if not sources.get("POSTGRES_PASSWORD", {}).get("secretKeyRef"):
            found.append(f"{part.name}: expected POSTGRES_PASSWORD from a Secret")
        kept = [
            mount["mountPath"]
            for mount in part.spec.get("volumeMounts", [])
            if "volumeClaimTemplate" in part.pod.volumes[mount["name"]]
        ]
        if not any(own.get("PGDATA", "").startswith(f"{path}/") for path in kept):
            # Not the mount itself: it holds lost+found, and initdb wants an empty folder.
            found.append(f"{part.name}: PGDATA={own.get('PGDATA')}: expected a folder below {', '.join(kept)}")
        for line, done in our_lines(objects):
            url = urlsplit(str(done.parameters.get("database") or ""))
            if url.scheme.startswith("sqlite"):
                found.append(f"{line.container.name}: there is PostgreSQL, and it takes SQLite")
            elif url.scheme and (url.username, url.path) != (own.get("POSTGRES_USER"), f"/{own.get('POSTGRES_DB')}"):
                found.append(f"{line.container.name}: user and database of {url.scheme} are not those of {part.name}")
    return found


@policy
def clients_speak_tls_where_the_server_does(objects: Objects) -> list[str]:
    text = [word for container in containers(objects) for word in container.spec.get("args", [])]
    encrypted = any(word.startswith("--ssl_config_file=") for word in text)
    found = []
    for line, done in our_lines(objects):
        if done.command in ("watch", "classify", "sidecar") and not done.fault:
            trusted = done.parameters.get("tls_ca")
            if encrypted != (trusted is not None):
                wanted = "SNOWMODE_TLS_CA" if encrypted else "no SNOWMODE_TLS_CA"
                found.append(f"{line.container.name}: expected {wanted}, as the model server has it")
    return found


@policy
def the_sidecar_takes_no_words_from_strangers(objects: Objects) -> list[str]:
    """It listens on every address; without a token everybody who reaches it may write."""
    found = []
    for line, done in our_lines(objects):
        given = done.parameters
        if done.command == "sidecar" and not (
            given.get("token") or given.get("token_file") or given.get("read_only")
        ):
            found.append(f"{line.container.name}: expected SNOWMODE_SIDECAR_TOKENS from a Secret, or --read-only")
        if done.command in ("watch", "record") and given.get("sidecar") and "SNOWMODE_TOKEN" not in line.environment:
            found.append(f"{line.container.name}: it records to the sidecar without SNOWMODE_TOKEN")
    return found
