"""Agreement between the parts, broken."""

from __future__ import annotations

from tests.k8s.mutants.ways import (
    Mutant,
    container,
    mount,
    set_variable,
    sidecar,
    tfserving,
    variable,
    watch,
    words,
)
from tests.k8s.objects import pod_of

PEERS = [
    Mutant(
        "commands_are_told_of_their_peers",
        "a watcher that asks localhost",
        lambda o: watch(o).pop("envFrom"),
        "watcher: --server: expected an address of model-server, received None",
    ),
    Mutant(
        "commands_are_told_of_their_peers",
        "a rollback that would go back twice",
        lambda o: container(pod_of(o, "CronJob", "rollback"))["env"].pop(),
        "expected SNOWMODE_ONCE",
    ),
    Mutant(
        "what_is_read_and_written_is_mounted",
        "a folder that is not there",
        lambda o: mount(watch(o), "/incoming").update(mountPath="/arriving"),
        "folder /incoming: nothing is mounted there",
    ),
    Mutant(
        "the_sidecar_shows_the_frames_that_the_watcher_takes",
        "the whole archive instead of a season",
        lambda o: mount(watch(o), "/incoming").pop("subPathExpr"),
        "the sidecar shows archive/hse",
    ),
    Mutant(
        "the_database_is_the_one_that_is_asked",
        "a backup of another database",
        lambda o: variable(container(pod_of(o, "CronJob", "database-backup")), "SNOWMODE_SIDECAR_DATABASE").update(
            value="postgresql://snowmode:$(DATABASE_PASSWORD)@postgres:5432/postgres"
        ),
        "database-backup container backup: user and database of postgresql are not those of",
    ),
    Mutant(
        "the_database_is_the_one_that_is_asked",
        "a sidecar that kept SQLite",
        lambda o: set_variable(sidecar(o), "SNOWMODE_SIDECAR_DATABASE", "sqlite:////var/lib/snowmode/winter.sqlite"),
        "there is PostgreSQL, and it takes SQLite",
    ),
    Mutant(
        "the_database_is_the_one_that_is_asked",
        "data in the container",
        lambda o: variable(container(pod_of(o, "StatefulSet", "postgres")), "PGDATA").update(value="/tmp/data"),
        "PGDATA=/tmp/data",
    ),
    Mutant(
        "clients_speak_tls_where_the_server_does",
        "a server that was encrypted alone",
        lambda o: words(tfserving(o)).append("--ssl_config_file=/etc/tfserving/ssl.config"),
        "Deployment/watcher container watcher: expected SNOWMODE_TLS_CA",
    ),
    Mutant(
        "clients_speak_tls_where_the_server_does",
        "a sidecar that was forgotten",
        lambda o: set_variable(sidecar(o), "SNOWMODE_SIDECAR_TLS_CA", ""),
        "Deployment/model-server container sidecar: expected SNOWMODE_TLS_CA",
        of="base+grpc-tls",
    ),
    Mutant(
        "the_sidecar_takes_no_words_from_strangers",
        "no token",
        lambda o: sidecar(o)["env"].remove(variable(sidecar(o), "SNOWMODE_SIDECAR_TOKENS")),
        "expected SNOWMODE_SIDECAR_TOKENS",
    ),
    Mutant(
        "the_sidecar_takes_no_words_from_strangers",
        "a watcher without one",
        lambda o: watch(o)["env"].remove(variable(watch(o), "SNOWMODE_TOKEN")),
        "without SNOWMODE_TOKEN",
    ),
]
