"""Jobs and CronJobs, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import GPU_PROD, Mutant, container, cron, first_exit_codes, job
from tests.k8s.objects import pod_of

JOBS = [
    *(
        Mutant("jobs_end_and_are_cleared_away", f"no {key}", lambda o, key=key: job(o, "training").pop(key), key)
        for key in ("activeDeadlineSeconds", "ttlSecondsAfterFinished", "backoffLimit")
    ),
    Mutant(
        "jobs_end_and_are_cleared_away",
        "OnFailure",
        lambda o: pod_of(o, "CronJob", "training").spec.update(restartPolicy="OnFailure"),
        "expected restartPolicy: Never",
    ),
    Mutant(
        "jobs_tell_hopeless_failures_from_bad_luck",
        "no policy",
        lambda o: job(o, "training").pop("podFailurePolicy"),
        "CronJob/training: podFailurePolicy: expected the Job to fail at once on exit code 2",
    ),
    Mutant(
        "jobs_tell_hopeless_failures_from_bad_luck",
        "a refused model that is trained again",
        lambda o: first_exit_codes(job(o, "training"))["values"].remove(1),
        "what was refused is refused again",
    ),
    Mutant(
        "jobs_tell_hopeless_failures_from_bad_luck",
        "a refused roll-back that is tried again",
        lambda o: first_exit_codes(job(o, "rollback"))["values"].remove(1),
        "CronJob/rollback: podFailurePolicy: what was refused is refused again",
    ),
    Mutant(
        "jobs_tell_hopeless_failures_from_bad_luck",
        "75 taken for a failure",
        lambda o: first_exit_codes(job(o, "training"))["values"].append(75),
        "74 and 75 mean: try again",
    ),
    Mutant(
        "jobs_tell_hopeless_failures_from_bad_luck",
        "a container that is not there",
        lambda o: first_exit_codes(job(o, "training")).update(containerName="trainer"),
        "there is no container trainer",
    ),
    Mutant(
        "cron_jobs_run_once_at_a_time_in_a_named_zone",
        "two at a time",
        lambda o: cron(o, "training-seasonal").update(concurrencyPolicy="Allow"),
        "expected concurrencyPolicy: Forbid",
    ),
    Mutant(
        "cron_jobs_run_once_at_a_time_in_a_named_zone",
        "a zone that is none",
        lambda o: cron(o, "training-seasonal").update(timeZone="JST"),
        "timeZone JST",
    ),
    Mutant(
        "cron_jobs_run_once_at_a_time_in_a_named_zone",
        "six fields",
        lambda o: cron(o, "training-seasonal").update(schedule="0 0 3 1 11 *"),
        "expected five fields",
    ),
    Mutant(
        "what_a_person_starts_is_a_template",
        "a promotion by the clock",
        lambda o: cron(o, "promote").pop("suspend"),
        "CronJob/promote: expected suspend: true",
    ),
    Mutant(
        "what_a_person_starts_is_a_template",
        "a backup that never runs",
        lambda o: cron(o, "database-backup").update(suspend=True),
        "CronJob/database-backup: it is suspended",
    ),
    Mutant(
        "what_a_person_starts_is_a_template",
        "a Job beside the Deployments",
        lambda o: o.append(
            {
                "apiVersion": "batch/v1",
                "kind": "Job",
                "metadata": {"name": "training", "namespace": "snowmode"},
                "spec": cron(o, "training")["jobTemplate"]["spec"],
            }
        ),
        "Job/training: expected a suspended CronJob",
    ),
    Mutant(
        "a_release_waits_for_no_image",
        "a roll-back in the image of training",
        lambda o: container(pod_of(o, "CronJob", "rollback")).update(image="images.example/snowmode-training:0.1.0"),
        "expected an image of the model server's pod",
    ),
    Mutant(
        "a_release_waits_for_no_image",
        "a promotion on any node",
        lambda o: pod_of(o, "CronJob", "promote").spec.pop("affinity"),
        "expected podAffinity for the model server",
    ),
    Mutant(
        "who_goes_to_the_node_of_another_is_let_in",
        "a roll-back that the node with the GPU keeps out",
        lambda o: pod_of(o, "CronJob", "rollback").spec.pop("tolerations"),
        "CronJob/rollback: it goes where Deployment/model-server is",
    ),
    Mutant(
        "who_goes_to_the_node_of_another_is_let_in",
        "a backup of SQLite that the node with the GPU keeps out",
        lambda o: pod_of(o, "CronJob", "database-backup").spec.pop("tolerations"),
        "CronJob/database-backup: it goes where Deployment/model-server is",
        of="base+gpu",
    ),
    *(
        Mutant(
            "who_goes_to_the_node_of_another_is_let_in",
            f"backups on a node with a GPU that nobody may read there, {of}",
            lambda o: pod_of(o, "CronJob", "verify-backup").spec.pop("tolerations"),
            "CronJob/verify-backup: backup may lie where CronJob/database-backup runs",
            of=of,
        )
        for of in ("base+gpu", GPU_PROD)
    ),
]
