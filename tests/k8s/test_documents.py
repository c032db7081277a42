"""What documents, runbooks and comments tell people to type names things that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.k8s.command_lines import PROGRAMS, read
from tests.k8s.conftest import Rendered
from tests.k8s.objects import of_kind, pod_of, pods
from tests.k8s.policies.references import MADE_BY_THE_OPERATOR
from tests.k8s.rendering import ROOT, Objects

SUFFIXES = {".md", ".yaml", ".env", ".txt"}
FILES = sorted(
    path
    for folder in (ROOT / "docs", ROOT / "k8s", ROOT / "docker")
    for path in folder.rglob("*")
    if path.suffix in SUFFIXES and "kubectl" in path.read_text(encoding="utf-8")
) + sorted(ROOT.glob("*.md"))

KINDS = {
    **dict.fromkeys(("deploy", "deployment"), "Deployment"),
    **dict.fromkeys(("sts", "statefulset"), "StatefulSet"),
    **dict.fromkeys(("svc", "service"), "Service"),
    **dict.fromkeys(("cm", "configmap"), "ConfigMap"),
    **dict.fromkeys(("pvc", "persistentvolumeclaim"), "PersistentVolumeClaim"),
    "cronjob": "CronJob",
    "job": "Job",
    "secret": "Secret",
}
NAMESPACES = {"snowmode", "monitoring", "ingress-nginx", "kube-system"}
ANY_NAME = {"NAME"}


def commands_in(path: Path) -> list[str]:
    """Gives every kubectl command line of a file; comment signs and continued lines are taken care of."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".md":
        text = re.sub(r"^\s*#", "", text, flags=re.M)
    text = re.sub(r"\\\n\s*", " ", text)
    found = re.findall(r"\bkubectl (?:-|[a-z])[^`\n]*", text)
    # What follows is another command, a comment, or more words of a sentence.
    return [re.split(r"\s+#|\s\||\s&|;|  +|\)\"", line)[0].strip().rstrip('".,') for line in found]


def made_in(path: Path) -> set[str]:
    """Names of Jobs that a file itself tells to make."""
    return set(re.findall(r"create job ([\w-]+)", path.read_text(encoding="utf-8")))


def faults(line: str, objects: Objects, jobs: set[str]) -> list[str]:
    """What is wrong with a command line."""
    found = []
    names = {(entry["kind"], re.sub(r"-[bcdfghkmt24-9]{10}$", "", entry["metadata"]["name"])) for entry in objects}
    names |= {("Secret", name) for name in MADE_BY_THE_OPERATOR} | {("Job", name) for name in jobs}
    for kind, name in re.findall(rf"(?<![\w./-])({'|'.join(KINDS)})/([\w-]+)", line):
        if name not in ANY_NAME and (KINDS[kind], name) not in names:
            found.append(f"there is no {KINDS[kind]}/{name}")
    for space in re.findall(r"(?:-n|--namespace)[ =]([\w-]+)", line):
        if space not in NAMESPACES:
            found.append(f"there is no namespace {space}")
    for folder in re.findall(r" -k ([\w./-]+)", line):
        if not (ROOT / folder / "kustomization.yaml").is_file():
            found.append(f"{folder} is no kustomization")
    for key, value in re.findall(r"-l ([\w./-]+)=([\w-]+)", line):
        if not any(pod.labels.get(key) == value for pod in pods(objects)):
            found.append(f"no pod has the label {key}={value}")
    for name in re.findall(r"create secret (?:generic|tls) ([\w-]+)", line):
        given = set(re.findall(r"--from-(?:literal|file)=([\w.-]+)", line))
        if name not in MADE_BY_THE_OPERATOR:
            found.append(f"nobody asks for a Secret {name}")
        elif not given <= MADE_BY_THE_OPERATOR[name]:
            found.append(f"nobody asks for {', '.join(given - MADE_BY_THE_OPERATOR[name])} of the Secret {name}")
    return found + _inside(line, objects)


def _inside(line: str, objects: Objects) -> list[str]:
    match = re.search(r"(?:exec|logs) .*?(deploy|deployment|sts|statefulset)/([\w-]+)", line)
    if match is None:
        return []
    try:
        pod = pod_of(objects, KINDS[match[1]], match[2])
    except LookupError as error:
        return [str(error)]
    found = []
    chosen = re.search(r" -c ([\w-]+)", line)
    if chosen and chosen[1] not in {part.spec["name"] for part in pod.containers}:
        found.append(f"{pod.name} has no container {chosen[1]}")
    _, _, command = line.partition(" -- ")
    if command.split(" ")[0] in PROGRAMS:
        program, *words = shlex.split(command)
        if fault := read(program, words, {}).fault:
            found.append(f"{command}: {fault}")
    return found


@pytest.fixture(scope="module")
def everything(rendered: Rendered) -> Objects:
    return [*rendered("overlays/gpu-prod"), *rendered("overlays/cpu-dev")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_people_are_told_to_type_names_what_exists(path: Path, everything: Objects) -> None:
    jobs = set().union(*map(made_in, FILES))
    found = [f"{line}\n    {fault}" for line in commands_in(path) for fault in faults(line, everything, jobs)]
    assert not found, "\n".join([f"{path.relative_to(ROOT)}:", *found])


def test_commands_are_found() -> None:
    assert sum(len(commands_in(path)) for path in FILES) > 50


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kubectl -n snowmode logs deploy/watchr", "there is no Deployment/watchr"),
        ("kubectl -n snowmod get pods", "there is no namespace snowmod"),
        ("kubectl apply -k k8s/overlays/gpu", "k8s/overlays/gpu is no kustomization"),
        ("kubectl -n snowmode logs deploy/model-server -c tensorflow", "has no container tensorflow"),
        ("kubectl -n snowmode create job a --from=cronjob/promotion", "there is no CronJob/promotion"),
        ("kubectl -n snowmode exec deploy/watcher -- client doctr", "No such command 'doctr'"),
        ("kubectl -n snowmode get pods -l app.kubernetes.io/component=server", "no pod has the label"),
        ("kubectl -n snowmode create secret generic snowmode --from-literal=password=x", "nobody asks for password"),
        ("kubectl -n snowmode logs job/training-9", "there is no Job/training-9"),
    ],
)
def test_what_does_not_exist_is_found(line: str, said: str, everything: Objects) -> None:
    assert any(said in fault for fault in faults(line, everything, {"training-1"})), faults(line, everything, set())


def test_every_cron_job_is_told_how_to_start(everything: Objects) -> None:
    """A template that no document names is one that nobody finds."""
    told = {
        name for path in FILES for name in re.findall(r"--from=cronjob/([\w-]+)", path.read_text(encoding="utf-8"))
    }
    templates = {
        entry["metadata"]["name"] for entry in of_kind(everything, "CronJob") if entry["spec"].get("suspend")
    }
    assert templates <= told
