"""Command lines of our programs, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import (
    Mutant,
    container,
    job,
    mount,
    replace,
    set_variable,
    watch,
    words,
)
from tests.k8s.objects import pod_of

COMMANDS = [
    Mutant(
        "our_command_lines_are_accepted",
        "an option `client watch` does not have",
        lambda o: words(watch(o)).append("--metric-port=9100"),
        "No such option",
    ),
    Mutant(
        "our_command_lines_are_accepted",
        "a variable with a value that is none",
        lambda o: set_variable(watch(o), "SNOWMODE_WATCH_POLL", "often"),
        "Invalid value for '--poll'",
    ),
    Mutant(
        "our_command_lines_are_accepted",
        "a command that is none",
        lambda o: pod_of(o, "CronJob", "training").containers[-1].spec.update(args=["runn", "--frames", "/labelled"]),
        "runn",
    ),
    Mutant(
        "every_variable_is_one_that_is_read",
        "a misspelt variable",
        lambda o: set_variable(watch(o), "SNOWMODE_SEVRER", "dns:///model-server:8500"),
        "nobody reads SNOWMODE_SEVRER",
    ),
    Mutant(
        "servers_listen_where_they_are_asked",
        "numbers for the pod alone",
        lambda o: replace(watch(o), "0.0.0.0", "127.0.0.1"),
        "it listens on 127.0.0.1",
    ),
    Mutant(
        "shards_and_workers_are_as_many_as_pods",
        "a pod fewer than shards",
        lambda o: job(o, "bulk").update(completions=job(o, "bulk")["completions"] - 1),
        "CronJob/bulk container",
    ),
    Mutant(
        "shards_and_workers_are_as_many_as_pods",
        "more shards than are merged",
        lambda o: (
            job(o, "bulk").update(completions=9),
            replace(container(pod_of(o, "CronJob", "bulk")), "/8", "/9"),
        ),
        "it merges 8 shards",
    ),
    Mutant(
        "shards_and_workers_are_as_many_as_pods",
        "a worker more than are named",
        lambda o: job(o, "training-multinode").update(completions=3, parallelism=3),
        "2 workers named and 3 completions",
    ),
    Mutant(
        "shards_and_workers_are_as_many_as_pods",
        "workers one after the other",
        lambda o: job(o, "training-multinode").update(parallelism=1),
        "all workers must run at once",
        of="base",
    ),
    Mutant(
        "our_command_lines_are_accepted",
        "a shell without a script",
        lambda o: pod_of(o, "CronJob", "bulk-merge").spec["initContainers"][0].pop("args"),
        "merge: /bin/sh -c: a shell without a script",
    ),
    Mutant(
        "what_is_written_goes_to_a_volume",
        "a result of no name",
        lambda o: words(container(pod_of(o, "CronJob", "bulk"))).remove("--out"),
        "without --out it writes where it stands",
    ),
    Mutant(
        "what_is_written_goes_to_a_volume",
        "results in the container",
        lambda o: mount(watch(o), "/results").update(mountPath="/result"),
        "expected a path on a volume",
    ),
    Mutant(
        "our_command_lines_are_accepted",
        "no arguments",
        lambda o: watch(o).pop("args"),
        "it would show its help and end",
    ),
    Mutant(
        "every_reference_to_a_variable_is_filled",
        "a winter that nobody names",
        lambda o: container(pod_of(o, "CronJob", "bulk")).pop("envFrom"),
        "CronJob/bulk container bulk: nothing sets SEASON",
    ),
    Mutant(
        "every_reference_to_a_variable_is_filled",
        "a script with a variable of nobody",
        lambda o: pod_of(o, "CronJob", "bulk-merge").spec["initContainers"][0].pop("envFrom"),
        "CronJob/bulk-merge container merge: nothing sets SEASON",
    ),
]
