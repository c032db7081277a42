"""`client models` against real servers and what they answer on bad days."""

from __future__ import annotations

import json

from client.models.hosted import look
from tests.client.command import client
from tests.client.hosting import hosting
from tests.serving.stand_in import CARD, stand_in


def test_a_real_server_tells_what_it_hosts(server: str) -> None:
    done = client("models", "--server", server, "--json")
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    (version,) = model["versions"]
    assert model["name"] == "snowmode"
    assert (version["state"], version["answers"], version["labels"], version["problem"]) == (
        "AVAILABLE",
        True,
        [],
        "",
    )
    assert version["card"]["recipe"].startswith("nakai2022")
    table = client("models", "--server", server).stdout
    assert str(version["version"]) in table
    assert "answers" in table
    assert "A model server tells only of models and labels it is asked for" in table


def test_a_server_without_our_model_is_told_in_plain_words(server: str) -> None:
    done = client("models", "--server", server, "--model", "rain")
    assert done.returncode == 3
    assert "the server hosts no model of this name; name another with --model" in done.stdout
    both = client("models", "--server", server, "--model", "rain", "--model", "snowmode", "--json")
    assert both.returncode == 0
    assert [bool(model["versions"]) for model in json.loads(both.stdout)["models"]] == [False, True]


def test_an_unknown_label_is_named(server: str) -> None:
    done = client("models", "--server", server, "--label", "green")
    assert done.returncode == 0
    assert "no version of snowmode has the label green" in done.stdout


def test_no_server(server: str) -> None:
    done = client("models", "--server", "localhost:1")
    assert done.returncode == 3
    assert "No model server answers at localhost:1" in done.stderr


def test_versions_that_failed_and_labels_are_shown() -> None:
    states = {7: ("AVAILABLE", ""), 9: ("END", "no such file: saved_model.pb"), 8: ("LOADING", "")}
    with hosting(states, labels={"canary": 7}) as target:
        (model,) = look(target, ["snowmode"], labels=["blue"])
        done = client("models", "--server", target)
    assert [entry.state.version for entry in model.versions] == [9, 8, 7], "newest first"
    ended, loading, available = model.versions
    assert (ended.state.state, ended.problem, ended.card) == ("END", "no such file: saved_model.pb", None)
    assert (loading.state.state, loading.card) == ("LOADING", None)
    assert (available.labels, available.answers, available.card) == (("canary",), True, CARD)
    assert model.unknown_labels == ("blue",)
    assert "9: no such file: saved_model.pb" in done.stdout
    assert "canary" in done.stdout


def test_scores_come_with_their_intervals_and_caveats() -> None:
    card = CARD.model_copy(
        update={"metrics": {"hss": 0.5, "hss_low": 0.4, "hss_high": 0.6}, "caveats": ("Synthetic frames.",)}
    )
    with hosting({7: ("AVAILABLE", "")}, card=card) as target:
        done = client("models", "--server", target)
    assert "0.5 (0.4 to 0.6)" in done.stdout
    assert "Synthetic frames." in done.stdout


def test_something_else_than_a_model_server_is_an_error() -> None:
    with stand_in() as target:  # predicts, but has no ModelService
        done = client("models", "--server", target)
    assert done.returncode == 3
    assert "does not answer GetModelStatus (UNIMPLEMENTED" in done.stderr
