"""The images themselves, as `make images` built them: what is in them, what is not, and that they work together."""

from __future__ import annotations

import csv
import json
import re
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from serving.sidecar.store.database import Database
from tests.docker.build import build_images
from tests.docker.compose import SETTINGS, load
from tests.docker.conftest import ROOT, VERSION
from tests.docker.containers import USER, Container, Image, Pod, mounted
from training.publishing import releases

pytestmark = pytest.mark.slow
ALL = ["client", "sidecar", "model-server", "training"]
every_image = pytest.mark.parametrize("image", ALL, indirect=True)
light_image = pytest.mark.parametrize("image", ["client", "sidecar"], indirect=True)

TOKEN = "0123456789abcdef0123456789abcdef"
LIMIT = 400_000_000
"""Bytes of a light image, uncompressed."""


@light_image
def test_light_images_are_small(image: Image):
    assert image.size < LIMIT, f"{image.name} has {image.size / 1e6:.0f} MB"


@light_image
def test_light_images_are_without_tensorflow(image: Image, pod: Pod):
    assert not [*image.root.glob("opt/snowmode/lib/*/site-packages/tensorflow*")]
    code, said = pod.run(image, "-c", "import tensorflow", entrypoint=["python"])
    assert (code, "No module named 'tensorflow'" in said) == (1, True)


@every_image
def test_it_runs_as_a_user_without_rights_and_is_labelled(image: Image):
    assert image.config["User"] == f"{USER}:{USER}"
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"]


@every_image
def test_nothing_in_it_makes_a_user_root(image: Image):
    found = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in found if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)]


@every_image
def test_it_brings_no_package_manager_and_no_secrets(image: Image):
    there = {path.name for folder in ("bin", "sbin", "local/bin") for path in (image.root / "usr" / folder).glob("*")}
    assert not there & {"apt", "apt-get", "perl", "pip", "pip3"}
    assert "sh" in there  # to look around with `kubectl exec`
    assert not list(image.root.glob("opt/snowmode/bin/pip*"))
    words = " ".join(image.config["Env"]).lower()
    assert not [word for word in ("token", "password", "secret", "pip_") if word in words]


@every_image
def test_all_that_is_installed_has_the_version_that_was_tested(image: Image):
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = {re.sub("[-_.]+", "-", name).lower(): version for name, _, version in (x.partition("==") for x in lines)}
    for path in image.root.glob("opt/snowmode/lib/*/site-packages/*.dist-info"):
        name, _, version = path.name.removesuffix(".dist-info").rpartition("-")
        if name != "snowmode":
            assert tested.get(re.sub("[-_.]+", "-", name).lower()) == version, f"{name} {version}"


@every_image
def test_nothing_can_be_written_but_what_volumes_are_for(image: Image):
    ours = [path for path in image.root.rglob("*") if not path.is_symlink() and path.lstat().st_uid == USER]
    allowed = {"models", "runs", "results", "backup", "var/lib/snowmode"}
    assert {str(path.relative_to(image.root)) for path in ours} <= allowed


@every_image
def test_it_explains_itself(image: Image, pod: Pod):
    code, said = pod.run(image, "--help")
    assert code == 0
    assert "Usage:" in said


@pytest.fixture(scope="module")
def shelf(training_image: Image, pod: Pod, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the training image makes: a winter in the folder `labelled`, and in `models` a model of it."""
    base = tmp_path_factory.mktemp("shelf")
    for name in ("labelled", "models", "runs"):
        (base / name).mkdir()
    volumes = {f"/{name}": base / name for name in ("labelled", "models", "runs")}
    code, said = pod.run(
        training_image, "synth", "/labelled/hse20152016", "--frames", "250", "--height", "96", "--width", "96",
        volumes=volumes,
    )  # fmt: skip
    assert code == 0, said
    small = [word for key in ("input.height=32", "input.width=32", "fit.epochs=1") for word in ("--set", key)]
    code, said = pod.run(
        training_image, "run", "--frames", "/labelled/hse20152016", "--name", "first", *small,
        volumes=volumes, within=300,
    )  # fmt: skip
    assert code == 0, said
    return base


def test_the_training_image_says_what_a_model_was_made_with(shelf: Path, training_image: Image):
    (card,) = shelf.glob("models/snowmode/*/assets.extra/model_card.json")
    made = json.loads(card.read_text(encoding="utf-8"))
    assert set(made["libraries"]) == {"tensorflow", "keras", "numpy"}
    assert made["git_commit"] == training_image.config["Labels"]["org.opencontainers.image.revision"]
    assert re.fullmatch("[0-9a-f]{40}", made["git_commit"])


@pytest.fixture(scope="module")
def model_server(model_server_image: Image, shelf: Path, pod: Pod) -> Container:
    """The model server, as its image starts it by default."""
    container = pod.start(model_server_image, read_only={"/models": shelf / "models"})
    container.wait_until_healthy()
    return container


@pytest.fixture(scope="module")
def sidecar(sidecar_image: Image, shelf: Path, pod: Pod, tmp_path_factory: pytest.TempPathFactory) -> Container:
    """The sidecar, on SQLite."""
    container = pod.start(
        sidecar_image,
        volumes={
            "/var/lib/snowmode": tmp_path_factory.mktemp("winter"),
            "/backup": tmp_path_factory.mktemp("backup"),
        },
        read_only={"/srv/radar": shelf / "labelled"},
        environment={"SNOWMODE_SIDECAR_TOKENS": TOKEN},
    )
    container.wait_until_healthy()
    return container


def ask(container: Container, url: str) -> tuple[int, str]:
    """Asks a page from inside a container; gives the status and what came."""
    code = (
        "import sys, urllib.request as r, urllib.error as e\n"
        "try: answer = r.urlopen(sys.argv[1], timeout=60)\n"
        "except e.HTTPError as error: answer = error\n"
        "print(answer.status); print(answer.read().decode('utf-8', 'replace'))"
    )
    done = container.execute("python", "-c", code, url)
    assert done.returncode == 0, done.stderr
    status, _, text = done.stdout.partition("\n")
    return int(status), text


@pytest.fixture(scope="module")
def results(model_server: Container, client_image: Image, shelf: Path, pod: Pod, tmp_path_factory) -> Path:
    """What the client image says of the winter."""
    folder = tmp_path_factory.mktemp("results")
    code, said = pod.run(
        client_image, "classify", "/srv/radar/hse20152016", "--out", "/results/winter.csv", "--format", "netcdf",
        volumes={"/results": folder},
        read_only={"/srv/radar": shelf / "labelled"},
    )  # fmt: skip
    assert code == 0, said
    return folder


def test_the_client_image_classifies_with_the_model_server_image(results: Path, shelf: Path):
    rows = list(csv.DictReader((results / "winter.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == len(list((shelf / "labelled" / "hse20152016").glob("*.png"))) == 250
    assert not [row for row in rows if row["error"]]
    assert {row["model_version"] for row in rows} == {path.name for path in (shelf / "models" / "snowmode").iterdir()}
    assert (results / "winter.nc").stat().st_size > 1000


def test_the_sidecar_image_records_counts_and_explains(
    sidecar: Container, client_image: Image, results: Path, pod: Pod
):
    token = {"SNOWMODE_TOKEN": TOKEN}
    words = ("record", "/results/winter.csv", "--sidecar", "http://localhost:8080", "--season", "hse20152016")
    code, said = pod.run(client_image, *words, read_only={"/results": results}, environment=token)
    assert code == 0, said
    assert ask(sidecar, "http://localhost:8080/readyz")[0] == 200
    status, text = ask(sidecar, "http://localhost:8080/v1/frames?season=hse20152016&limit=1")
    assert status == 200, text
    frame = json.loads(text)["frames"][0]["id"]
    # A page, statistics, and heat maps, for which it reads the frame and asks the model.
    for path in ("seasons/hse20152016", "v1/seasons/hse20152016/statistics", f"v1/frames/{frame}/heat-maps"):
        status, text = ask(sidecar, f"http://localhost:8080/{path}")
        assert status == 200, f"{path}: {text}"


def test_the_sidecar_image_backs_itself_up(sidecar: Container):
    done = sidecar.execute("serving", "backup", "--out", "/backup", "--keep", "3")
    assert done.returncode == 0, done.stderr
    assert ".zip" in sidecar.execute("ls", "/backup").stdout


def test_the_sidecar_image_reads_backups_again(sidecar_image: Image, pod: Pod, tmp_path: Path):
    """With the command of Kubernetes, and a backup that is cut off as well."""
    manifest = yaml.safe_load((ROOT / "k8s" / "base" / "database" / "verify.yaml").read_text(encoding="utf-8"))
    (part,) = manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    database, backup = tmp_path / "database", tmp_path / "backup"
    for folder in (database, backup):
        folder.mkdir()

    def verify() -> tuple[int, str]:
        return pod.run(sidecar_image, *part["args"], entrypoint=part["command"], read_only={"/backup": backup})

    assert verify()[0] == 2  # there is none
    url = "sqlite:////var/lib/snowmode/winter.sqlite"
    volumes = {"/var/lib/snowmode": database, "/backup": backup}
    with closing(Database(f"sqlite:///{database / 'winter.sqlite'}")) as empty:
        empty.upgrade()
    code, said = pod.run(
        sidecar_image, "backup", "--database", url, "--out", "/backup", entrypoint=["serving"], volumes=volumes
    )
    assert code == 0, said
    code, said = verify()
    assert (code, "whole" in said) == (0, True), said
    (file,) = backup.glob("*.zip")
    file.with_name("snowmode-20200101T000000Z.zip").write_bytes(file.read_bytes()[:700])
    file.with_name("snowmode-20200101T000000Z.zip").chmod(0o644)
    code, said = verify()
    assert (code, "snowmode-20200101T000000Z.zip: expected a backup" in said) == (2, True), said


def test_the_sidecar_image_promotes_models_and_takes_them_back(
    sidecar_image: Image, shelf: Path, pod: Pod, tmp_path: Path
):
    """With the commands of compose.yaml, beside its own; and nothing of it is compiled at 3 a.m."""
    models = shutil.copytree(shelf / "models", tmp_path / "models")
    (first,) = releases.versions(models)
    second = first + 1
    shutil.copytree(models / "snowmode" / str(first), models / "snowmode" / str(second))
    releases.offer(models, second)
    service = load()["services"]["releases"]

    def run_one(*words: str) -> str:
        code, said = pod.run(
            sidecar_image, *(words or service["command"]),
            entrypoint=service["entrypoint"], volumes={"/models": models},
        )  # fmt: skip
        assert code == 0, said
        return said

    assert str(first) in (listed := run_one())
    assert str(second) in listed
    run_one("promote", "--models", "/models")
    assert releases.read(models).production == second
    run_one("rollback", "--models", "/models")
    assert releases.read(models).production == first
    compiled = {path.name.partition(".")[0] for path in sidecar_image.root.glob(
        "opt/snowmode/lib/*/site-packages/training/**/__pycache__/*.pyc"
    )}  # fmt: skip
    assert {"cli", "models", "releases", "published"} <= compiled


def test_a_client_without_a_token_is_told_what_is_missing(
    sidecar: Container, client_image: Image, results: Path, pod
):
    words = ("record", "/results/winter.csv", "--sidecar", "http://localhost:8080")
    code, said = pod.run(client_image, *words, read_only={"/results": results})
    assert code != 0
    assert "SNOWMODE_TOKEN" in said


def test_the_watcher_of_compose_classifies_and_records(
    model_server: Container, sidecar: Container, client_image: Image, shelf: Path, pod: Pod, tmp_path: Path
):
    """With the command, variables and health check of compose.yaml."""
    service = load({**SETTINGS, "SNOWMODE_TOKEN": TOKEN})["services"]["watcher"]
    (tmp_path / "results").mkdir()
    watcher = pod.start(
        client_image,
        *service["command"],
        environment=service["environment"],
        volumes={"/results": tmp_path / "results"},
        read_only={"/incoming": shelf / "labelled" / "hse20152016"},
    )
    wait_until(lambda: watcher.execute(*service["healthcheck"]["test"][1:]).returncode == 0, watcher)
    recorded = f"http://localhost:8080/v1/seasons/{SETTINGS['SEASON']}"
    wait_until(lambda: ask(sidecar, recorded)[0] == 200, watcher)
    assert list((tmp_path / "results" / SETTINGS["SEASON"]).glob("*.csv"))
    assert "snowmode_watch_" in ask(watcher, "http://127.0.0.1:9100/metrics")[1]
    assert watcher.stop() == 0, watcher.log.read_text()


def wait_until(done: Callable[[], bool], container: Container, patience: float = 90) -> None:
    end = time.monotonic() + patience
    while not done():
        assert time.monotonic() < end, container.log.read_text()
        time.sleep(0.3)


def test_health_checks_fail_where_nothing_is_served(model_server_image: Image, tmp_path: Path):
    """In a network of its own, where the other tests' server does not answer instead."""
    pod = Pod(tmp_path / "pod")
    try:
        empty = tmp_path / "models"
        (empty / "snowmode").mkdir(parents=True)
        words = ("--model_base_path=/models/snowmode", "--rest_api_port=8501")
        waiting = pod.start(model_server_image, *words, read_only={"/models": empty})
        wait_until(lambda: "/models/snowmode" in waiting.log.read_text(), waiting)
        assert not waiting.healthy()
    finally:
        pod.close()


def test_a_model_server_without_a_config_says_what_is_missing(model_server_image: Image, pod: Pod, tmp_path: Path):
    code, said = pod.run(model_server_image, read_only={"/models": tmp_path})
    assert code == 2
    assert "/models/models.config" in said


def test_the_serving_image_is_built_of_a_model_and_serves_it(
    model_server_image: Image, client_image: Image, shelf: Path, tmp_path: Path
):
    """Its base cannot be fetched everywhere: the embedded server, under the same name and flags, stands for it."""
    base, name = "localhost/snowmode-test-tfserving:2.20.0", "localhost/snowmode-test-serving:1"
    stand_in = tmp_path / "stand-in"
    stand_in.mkdir()
    (stand_in / "tensorflow_model_server").write_text('#!/bin/sh\nexec serving model-server "$@"\n', encoding="utf-8")
    (stand_in / "Dockerfile").write_text(
        f"FROM localhost/{model_server_image.name}\nUSER 0\nENTRYPOINT []\nCMD []\n"
        "COPY --chmod=0755 tensorflow_model_server /usr/bin/tensorflow_model_server\n",
        encoding="utf-8",
    )
    version = next((shelf / "models" / "snowmode").iterdir()).name
    plan = build_images.Plan("buildah", VERSION, "abc", "", "")
    # Without layers: they would stay behind.
    arguments = [
        "--layers=false",
        "--build-arg",
        f"SERVING_IMAGE={base}",
        "--build-context",
        f"models={shelf / 'models'}",
    ]
    try:
        run(["buildah", "build", "--quiet", "--format", "docker", "--tag", base, str(stand_in)])
        refused = run(plan.command("serving", *arguments, tag=name), expected=1)
        assert "name one: --build-arg MODEL_VERSION=" in refused
        run(plan.command("serving", *arguments, "--build-arg", f"MODEL_VERSION={version}", tag=name))
        with mounted(name.removeprefix("localhost/")) as image:
            assert image.config["User"] == f"{USER}:{USER}"
            assert image.config["Labels"]["snowmode.model.version"] == version
            pod = Pod(tmp_path / "pod")
            try:
                server = pod.start(image)
                server.wait_until_healthy()
                # The one of compose.yaml, for TensorFlow Serving's own image.
                check = load()["services"]["tfserving"]["healthcheck"]["test"]
                assert server.execute(*check[1:]).returncode == 0
                assert server.execute(*(word.replace("snowmode", "another") for word in check[1:])).returncode != 0
                code, said = pod.run(client_image, "models")
                assert (code, version in said) == (0, True), said
            finally:
                pod.close()
    finally:
        for built in (name, base):
            subprocess.run(["buildah", "rmi", "--force", built], capture_output=True, check=False)


def run(words: list[str], expected: int = 0) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    assert min(done.returncode, 1) == expected, f"{' '.join(words)}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout + done.stderr
