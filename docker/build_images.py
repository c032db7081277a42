"""Builds the container images, with docker or buildah: `make images`.

    python3 docker/build_images.py                      all that can be built here
    python3 docker/build_images.py client sidecar       these
    python3 docker/build_images.py serving --models models

Options can be set by variables, too, which is what `make images` is told by:

    BUILDER       docker or buildah; default: docker if it answers, because compose.yaml looks for images there
    BASE_IMAGE    a Debian with Python 3.11 to 3.13; default: that of the Dockerfiles where a registry can be reached,
                  otherwise one made of Debian's packages by mmdebstrap
    TENSORFLOW    of the training image: tensorflow-cpu, or tensorflow[and-cuda] for GPUs (several GB)
    MODELS        folder of published models, for the image `serving`, and MODEL_VERSION; default: that in production
    SERVING_IMAGE base of the image `serving`: tensorflow/serving:2.20.0, its -gpu, or a mirror's
    REGISTRY      put before the names: registry.example/weather
    PIP_INDEX_URL, PIP_CERT    a mirror, and the authority that vouches for it

What was built before is kept, so that the next build is short. `buildah rmi --prune` frees the room;
`buildah rmi localhost/snowmode-base:trixie` has the base made anew, with Debian's newest packages.

It needs nothing but Python's own library. Exit codes: 0 built; 1 an image that was
named, or whose parts are all here, was not built; 2 nothing to build with.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIGHT, HEAVY = ("client", "sidecar"), ("model-server", "training")
IMAGES = (*LIGHT, *HEAVY, "serving")

DEBIAN = "trixie"  # has Python 3.13, as the Dockerfiles' base
LOCAL_BASE = f"localhost/snowmode-base:{DEBIAN}"
CERTIFICATE = "/run/snowmode-ca.crt"


class MissingError(Exception):
    """Something that a build needs is not here; the message says what to do."""


@dataclass(frozen=True)
class Plan:
    """What every build is told.

    Attributes:
        builder: ``buildah`` or ``docker``.
        version: Tag of the images.
        revision: Commit they are made of.
        registry: Put before their names; empty for none.
        certificate: File of authorities that pip is to trust; empty for its own.
        arguments: Build arguments of all.
    """

    builder: str
    version: str
    revision: str
    registry: str
    certificate: str
    arguments: dict[str, str] = field(default_factory=dict)

    def command(self, name: str, *more: str, tag: str = "") -> list[str]:
        """Gives the command line that builds an image."""
        words = [self.builder, "build", "--file", f"docker/{name}.Dockerfile"]
        if self.builder == "buildah":
            # Dockerfiles' health checks are lost in OCI's own format. In a chroot it works inside containers, too.
            words += ["--format", "docker", "--isolation", "chroot", "--network", "host", "--layers", "--force-rm"]
            if self.certificate:
                words += [
                    "--volume",
                    f"{self.certificate}:{CERTIFICATE}:ro",
                    "--build-arg",
                    f"PIP_CERT={CERTIFICATE}",
                ]
        for key, value in {"VERSION": self.version, "REVISION": self.revision, **self.arguments}.items():
            words += ["--build-arg", f"{key}={value}"]
        return [*words, *more, "--tag", tag or self.tag(name), "."]

    def tag(self, name: str) -> str:
        """Gives the full name of an image."""
        return f"{self.registry.rstrip('/')}/snowmode-{name}:{self.version}".removeprefix("/")


def find_builder(wanted: str) -> str:
    """Gives the program to build with.

    Raises:
        MissingError: There is none.
    """
    for name in [wanted] if wanted else ["docker", "buildah"]:
        if name not in {"buildah", "docker"}:
            raise MissingError(f"BUILDER is docker or buildah, not {name}")
        if shutil.which(name) and (name != "docker" or succeeds("docker", "info")):
            return name
    raise MissingError(
        f"{wanted or 'neither a docker that answers nor buildah'} is here. On Debian: apt-get install buildah crun "
        "mmdebstrap; otherwise start docker"
    )


def succeeds(*words: str, within: float = 60) -> bool:
    """Tells whether a command ends well, and soon."""
    try:
        return subprocess.run(words, capture_output=True, check=False, timeout=within).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def can_have(builder: str, image: str) -> bool:
    """Tells whether an image is here or can be fetched."""
    here = ("buildah", "inspect", "--type", "image") if builder == "buildah" else ("docker", "image", "inspect")
    return succeeds(*here, image) or succeeds(builder, "pull", "--quiet", image, within=300)


def default_of(name: str, argument: str) -> str:
    """Reads the default of a build argument from a Dockerfile."""
    lines = (ROOT / "docker" / f"{name}.Dockerfile").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith(f"ARG {argument}="))


def find_base(builder: str) -> str:
    """Gives the base of our images: the Dockerfiles', or one made here.

    Raises:
        MissingError: Neither can be had.
    """
    wanted = default_of("client", "BASE_IMAGE")
    if can_have(builder, wanted):
        return wanted
    if builder == "buildah" and shutil.which("mmdebstrap") and os.geteuid() == 0:
        say(f"{wanted} cannot be fetched: taking a base of Debian's packages instead")
        if not succeeds("buildah", "inspect", "--type", "image", LOCAL_BASE):
            make_base()
        return LOCAL_BASE
    raise MissingError(
        f"{wanted} cannot be fetched. Name another base: make images BASE_IMAGE=...; or install buildah and "
        "mmdebstrap, and run it as root, to make one of Debian's packages"
    )


def make_base() -> None:
    """Makes the base by mmdebstrap: as small as the official one, which it stands for."""
    left_out = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "info", "locale")]
    with tempfile.TemporaryDirectory(prefix="snowmode-base-") as folder:
        include = "--include=ca-certificates,python3,python3-venv"
        run(
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            include,
            *left_out,
            DEBIAN,
            f"{folder}/root.tar",
        )
        Path(folder, "Dockerfile").write_text("FROM scratch\nADD root.tar /\n", encoding="utf-8")
        run("buildah", "build", "--quiet", "--tag", LOCAL_BASE, folder)


def model_in_production(models: Path, version: str) -> str:
    """Gives the version to put into the image `serving`.

    Raises:
        MissingError: There is none.
    """
    if not version:
        releases = models / "releases.json"
        found = json.loads(releases.read_text(encoding="utf-8")).get("production") if releases.exists() else None
        version = str(found or "")
    if not version or not (models / "snowmode" / version / "saved_model.pb").exists():
        raise MissingError(
            f"no model {version or 'in production'} in {models}/snowmode: `make demo` makes one in build/demo/models;"
            " or name a folder and a version: make images MODELS=models MODEL_VERSION=202611211820"
        )
    return version


def build(name: str, plan: Plan, options: argparse.Namespace) -> None:
    """Builds one image.

    Raises:
        MissingError: What it is built of is not here.
        subprocess.CalledProcessError: The build failed.
    """
    more = []
    if name == "training":
        more = ["--build-arg", f"TENSORFLOW={options.tensorflow}"]
    if name == "serving":
        version = model_in_production(options.models, options.model_version)
        base = options.serving_image or default_of("serving", "SERVING_IMAGE")
        if not can_have(plan.builder, base):
            raise MissingError(f"{base} cannot be fetched: name a mirror's: make images SERVING_IMAGE=...")
        more = ["--build-arg", f"SERVING_IMAGE={base}", "--build-arg", f"MODEL_VERSION={version}"]
        more += ["--build-context", f"models={options.models.resolve()}"]
    run(*plan.command(name, *more))


def run(*words: str) -> None:
    """Runs a command in the repository's folder, and shows what it says."""
    subprocess.run(words, check=True, cwd=ROOT)


def say(text: str) -> None:
    """Says what is going on, between what the builder says."""
    sys.stderr.write(f"images: {text}\n")


def parse(words: list[str]) -> argparse.Namespace:
    """Reads the command line; what it does not say is taken from variables."""
    parser = argparse.ArgumentParser(prog="make images", description="Build the container images.")
    parser.add_argument("images", nargs="*", help=f"of {', '.join(IMAGES)}; default: all that can be built here")
    variables = {
        "builder": "",
        "base-image": "",
        "serving-image": "",
        "tensorflow": "tensorflow-cpu",
        "models": "build/demo/models",
        "model-version": "",
        "registry": "",
    }
    for key, value in variables.items():
        variable = key.replace("-", "_").upper()
        default = os.environ.get(variable) or value
        parser.add_argument(f"--{key}", type=Path if key == "models" else str, default=default, help=f"or {variable}")
    options = parser.parse_args(words)
    if unknown := sorted(set(options.images) - set(IMAGES)):
        parser.error(f"there is no image {', '.join(unknown)}; there are {', '.join(IMAGES)}")
    return options


def main(words: list[str]) -> int:
    """Builds what is named, or all that can be built; tells how long each took and what could not be."""
    options = parse(words)
    try:
        builder = find_builder(options.builder)
        base = options.base_image or find_base(builder)
    except MissingError as reason:
        say(f"nothing was built: {reason}")
        return 2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=ROOT)
    arguments = {"BASE_IMAGE": base}
    if mirror := os.environ.get("PIP_INDEX_URL"):
        arguments["PIP_INDEX_URL"] = mirror
    certificate = os.environ.get("PIP_CERT", "")
    revision = commit.stdout.strip() or "unknown"
    plan = Plan(builder, project["version"], revision, options.registry, certificate, arguments)

    failed = []
    for name in options.images or IMAGES:
        begun = time.monotonic()
        try:
            build(name, plan, options)
        except MissingError as reason:
            say(f"{name} was not built: {reason}")
            if options.images:
                failed.append(name)
            continue
        except subprocess.CalledProcessError as error:
            say(f"{name} failed: {builder} ended with {error.returncode}")
            failed.append(name)
            continue
        say(f"{plan.tag(name)} built in {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
