"""Every call of the OpenAPI schema, asked in every way the schema allows: no answer says that something broke.

A real process with data, a model server and an archive; once on each database, whose limits differ.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving.protocol.records import CONTENT_TYPE
from tests.serving.sidecar.postgres import NoPostgres, postgres
from tests.serving.sidecar.process import Sidecar, make_records

pytestmark = pytest.mark.slow

EXAMPLES = 8
"""Of each call. Before a release: many more."""

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
SEASON = "hse20152016"

MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]

load_all_checks()


@schemathesis.serializer(CONTENT_TYPE)
def write_records(_context: Any, value: Any) -> bytes:
    """Sends what was made up as it is, or as a part of a record that is right otherwise."""
    text = value if isinstance(value, str) else json.dumps(value)
    as_it_is = text.encode("utf-8", "replace")
    record = make_records(1, season="made-up")[0]
    wrong = {name: text for name in record if zlib.crc32(as_it_is + name.encode()) % 5 == 0}
    return as_it_is if zlib.crc32(as_it_is) % 3 == 0 else (json.dumps({**record, **wrong}) + "\n").encode()


def start(folder: Path, url: str, server: str, archive: Path, records: list[dict[str, Any]]) -> Sidecar:
    sidecar = Sidecar(folder, f"--database={url}", f"--archive={archive}", "--requests-per-minute=0", server=server)
    assert sidecar.record(records).status == 200
    assert sidecar.record(make_records(60, version=202612010000, seed=1, failed=[3])).status == 200
    review = b'{"frame_id": 1, "mode": "SY", "reviewer": "Yuki"}'
    assert sidecar.ask("/v1/reviews", body=review, Content_Type="application/json").status in (200, 201)
    return sidecar


def leave(sidecar: Sidecar) -> None:
    assert sidecar.stop() == 0
    assert not [line for line in sidecar.lines() if line["level"] == "error"]


@pytest.fixture(params=["sqlite", "postgresql"])
def schema(request, server, archive, records_of_archive, tmp_path) -> Iterator[Any]:
    """The schema of a sidecar on either database."""
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/w.sqlite"
        if request.param == "postgresql":
            try:
                url = stack.enter_context(postgres()).create("schema")
            except NoPostgres as reason:
                pytest.skip(str(reason))
        sidecar = start(tmp_path, url, server, archive, records_of_archive)
        stack.callback(sidecar.stop)
        yield schemathesis.openapi.from_url(f"{sidecar.url}/openapi.json")
        assert sidecar.stop() == 0
        assert not [line for line in sidecar.lines() if line["level"] == "error"]


def lead_to_data(case: Any) -> None:
    """Lets half of the cases ask for what is there: made up names and ids seldom are."""
    told = zlib.crc32(repr((case.path_parameters, case.query, case.body)).encode())
    if told % 2:
        return
    places = [place for place in (case.path_parameters, case.query) if place]
    for place in places:
        if "season" in place:
            place["season"] = SEASON if not isinstance(place["season"], list) else [SEASON]
        if "frame_id" in place:
            place["frame_id"] = told % 60 + 1
        if "version" in place and isinstance(place["version"], int):
            place["version"] = 202612010000


def test_no_call_breaks(schema) -> None:
    asked, broken = 0, []
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in MODES:
            try:
                ask_in_every_way(operation, mode)
            except Unsatisfiable:  # a call without parameters cannot be asked wrongly
                continue
            except Exception as error:
                broken.append(f"{operation.label}, {mode.value}: {describe(error)}")
            asked += 1
    assert not broken, "\n\n".join(broken)
    assert asked > 20


def ask_in_every_way(operation: Any, mode: GenerationMode) -> None:
    @given(operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    def ask(case: Any) -> None:
        lead_to_data(case)
        case.call_and_validate(checks=CHECKS)

    ask()


def describe(error: BaseException) -> str:
    inner = getattr(error, "exceptions", ())
    return "\n".join(describe(one) for one in inner) if inner else f"{error}"
