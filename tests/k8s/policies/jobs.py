"""Jobs end, are tried again where that helps, and are cleared away; CronJobs know their time zone."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

from tests.k8s.objects import Pod, job_of, of_kind, pods, selects, where
from tests.k8s.policies import policy
from tests.k8s.policies.commands import our_lines
from tests.k8s.rendering import Objects

# Exit codes of our commands; see `training --help` and `client --help`.
REFUSED = 1
WRONG_SETTINGS = 2
AGAIN = {74, 75}


def _jobs(objects: Objects) -> list[tuple[str, dict[str, Any]]]:
    return [(where(entry), job_of(entry)) for entry in of_kind(objects, "Job", "CronJob")]


@policy
def jobs_end_and_are_cleared_away(objects: Objects) -> list[str]:
    found = []
    for name, spec in _jobs(objects):
        for key in ("activeDeadlineSeconds", "ttlSecondsAfterFinished"):
            if not spec.get(key):
                found.append(f"{name}: expected {key}")
        indexed = spec.get("completionMode") == "Indexed"
        if "backoffLimit" not in spec and not (indexed and "backoffLimitPerIndex" in spec):
            found.append(f"{name}: expected backoffLimit; the default tries 6 times")
        if "backoffLimitPerIndex" in spec and not indexed:
            found.append(f"{name}: backoffLimitPerIndex needs completionMode: Indexed")
        if spec["template"]["spec"].get("restartPolicy") != "Never":
            found.append(f"{name}: expected restartPolicy: Never; podFailurePolicy needs it")
        if indexed and not spec.get("completions"):
            found.append(f"{name}: Indexed: expected completions")
        if spec.get("selector") or spec.get("manualSelector"):
            found.append(f"{name}: a Job makes its own selector")
    return found


@policy
def jobs_tell_hopeless_failures_from_bad_luck(objects: Objects) -> list[str]:
    found = []
    for name, spec in _jobs(objects):
        rules = spec.get("podFailurePolicy", {}).get("rules", [])
        fails: set[int] = set()
        hopeless: set[str] = set()
        disrupted = False
        for rule in rules:
            codes = rule.get("onExitCodes")
            if codes and rule["action"] in ("FailJob", "FailIndex"):
                if codes["operator"] != "In":
                    found.append(f"{name}: podFailurePolicy: expected operator In; NotIn takes 137 for a failure")
                fails |= set(codes.get("values", []))
                named = codes.get("containerName")
                pod = spec["template"]["spec"]
                there = {part["name"] for part in [*pod["containers"], *pod.get("initContainers", [])]}
                if WRONG_SETTINGS in codes.get("values", []):
                    hopeless |= {named} if named else there
                if named and named not in there:
                    found.append(f"{name}: podFailurePolicy: there is no container {named}")
            conditions = {entry["type"]: entry.get("status", "True") for entry in rule.get("onPodConditions", [])}
            disrupted |= rule["action"] == "Ignore" and conditions.get("DisruptionTarget") == "True"
            if rule["action"] == "FailIndex" and "backoffLimitPerIndex" not in spec:
                found.append(f"{name}: podFailurePolicy: FailIndex needs backoffLimitPerIndex")
        for part in (*spec["template"]["spec"]["containers"], *spec["template"]["spec"].get("initContainers", [])):
            if part["name"] not in hopeless:
                found.append(
                    f"{name}: podFailurePolicy: expected the Job to fail at once on exit code 2 of {part['name']}, "
                    "wrong settings"
                )
        if spec["template"]["spec"]["containers"][0].get("command") == ["training"] and REFUSED not in fails:
            found.append(f"{name}: podFailurePolicy: what was refused is refused again: fail on 1, too")
        if fails & AGAIN:
            found.append(f"{name}: podFailurePolicy: 74 and 75 mean: try again")
        if not disrupted:
            found.append(
                f"{name}: podFailurePolicy: expected Ignore on DisruptionTarget; draining a node is no failure"
            )
    return found


_FIELD = r"(\*|[0-9]+(-[0-9]+)?)(/[0-9]+)?(,[0-9]+(-[0-9]+)?(/[0-9]+)?)*"


@policy
def cron_jobs_run_once_at_a_time_in_a_named_zone(objects: Objects) -> list[str]:
    found = []
    for entry in of_kind(objects, "CronJob"):
        spec, name = entry["spec"], where(entry)
        if spec.get("concurrencyPolicy") != "Forbid":
            found.append(f"{name}: expected concurrencyPolicy: Forbid")
        if not spec.get("startingDeadlineSeconds"):
            found.append(f"{name}: expected startingDeadlineSeconds, or 100 missed times stop it for good")
        try:
            ZoneInfo(spec.get("timeZone") or "missing")
        except Exception:
            found.append(f"{name}: timeZone {spec.get('timeZone')}: expected one such as Asia/Tokyo or Etc/UTC")
        if not re.fullmatch(rf"@(hourly|daily|weekly|monthly|yearly)|{_FIELD}( {_FIELD}){{4}}", spec["schedule"]):
            found.append(f"{name}: schedule {spec['schedule']!r}: expected five fields")
        for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
            if key not in spec:
                found.append(f"{name}: expected {key}")
    return found


TEMPLATES = {"training", "training-multinode", "bulk", "bulk-merge", "promote", "rollback", "verify-backup"}
"""CronJobs that never run by themselves: `kubectl create job --from=cronjob/promote` does it."""

TO_TRY_IT = {"synthetic-winter"}
"""A template that an overlay may bring."""

BY_THE_CLOCK = {"training-seasonal", "database-backup"}


@policy
def what_a_person_starts_is_a_template(objects: Objects) -> list[str]:
    """A Job would start at every first apply, and make later ones fail: its pods cannot be changed."""
    crons = {entry["metadata"]["name"]: entry for entry in of_kind(objects, "CronJob")}
    found = [f"there is no CronJob/{name}" for name in sorted((TEMPLATES | BY_THE_CLOCK) - crons.keys())]
    found += [f"{where(entry)}: expected a suspended CronJob as its template" for entry in of_kind(objects, "Job")]
    for name, entry in crons.items():
        if name in TEMPLATES and entry["spec"].get("suspend") is not True:
            found.append(f"CronJob/{name}: expected suspend: true; it would run by the clock")
        if name not in TEMPLATES | TO_TRY_IT and entry["spec"].get("suspend"):
            found.append(f"CronJob/{name}: it is suspended, so it never runs")
    return found


@policy
def a_release_waits_for_no_image(objects: Objects) -> list[str]:
    """Training's image has several GB for GPUs; a roll-back at 3 a.m. takes one that its node has already."""
    servers = [pod for pod in pods(objects) if pod.component == "model-server"]
    there = {container.spec["image"] for pod in servers for container in pod.containers}
    found = []
    for line, done in our_lines(objects):
        if done.command not in ("promote", "rollback"):
            continue
        image = line.container.spec["image"]
        if image not in there:
            found.append(f"{line.container.name}: {image}: expected an image of the model server's pod")
        if not any(neighbour in servers for neighbour in neighbours(line.container.pod, objects)):
            found.append(f"{line.container.name}: expected podAffinity for the model server, where the image is")
    return found


@policy
def who_goes_to_the_node_of_another_is_let_in(objects: Objects) -> list[str]:
    """A node with a GPU keeps out whoever does not tolerate its taint; a volume may be bound to that node."""
    found = []
    for pod in pods(objects):
        for neighbour in neighbours(pod, objects):
            for taint in neighbour.spec.get("tolerations", []):
                if taint not in pod.spec.get("tolerations", []):
                    found.append(f"{pod.name}: it goes where {neighbour.name} is, without its toleration {taint}")
        for claim, other in sharers(pod, objects):
            for taint in other.spec.get("tolerations", []):
                if taint not in pod.spec.get("tolerations", []):
                    found.append(
                        f"{pod.name}: {claim} may lie where {other.name} runs, whose toleration {taint} it lacks"
                    )
    return found


def sharers(pod: Pod, objects: Objects) -> list[tuple[str, Pod]]:
    """Gives the other pods of claims that only one node may use at a time: the first to run settles which."""
    alone = {
        claim["metadata"]["name"]
        for claim in of_kind(objects, "PersistentVolumeClaim")
        if claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    } & claims(pod)
    return [
        (name, other) for other in pods(objects) if other.name != pod.name for name in sorted(alone & claims(other))
    ]


def claims(pod: Pod) -> set[str]:
    """Gives the names of the claims that a pod mounts."""
    volumes = pod.spec.get("volumes", [])
    return {volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume}


def neighbours(pod: Pod, objects: Objects) -> list[Pod]:
    """Gives the pods beside which one must or would like to be."""
    affinity = pod.spec.get("affinity", {}).get("podAffinity", {})
    terms = [
        *affinity.get("requiredDuringSchedulingIgnoredDuringExecution", []),
        *(part["podAffinityTerm"] for part in affinity.get("preferredDuringSchedulingIgnoredDuringExecution", [])),
    ]
    return [other for term in terms for other in pods(objects) if selects(term.get("labelSelector"), other.labels)]
