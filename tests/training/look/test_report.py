"""The page and the commands: one file that opens without a network, and that nothing on it is of another model."""

import html
import json
import re

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from radar.verification.report_tables import Table
from tests.training.look.conftest import known_look, subject_of
from tests.training.look.known import known_network
from training import architectures
from training.look import methods, report, techniques
from training.look.errors import LookError
from training.look.explainer import GUIDED_WARNING
from training.look.part import Part, Picture, read_part, write_part
from training.publishing import export

MINE = ("activations", "filters", "ascent", "methods")


def test_a_part_comes_back_as_it_was_written(tmp_path):
    part = Part(
        "methods",
        "Heading",
        "Finding",
        ("a",),
        ("w",),
        (Picture("x.png", "caption", shown=False),),
        (Table("t", (("", "n"), ("a", "1")), "note"),),
        "x.npz",
    )
    write_part(part, tmp_path)
    assert read_part(tmp_path) == part
    (tmp_path / "part.json").write_text('{"name": "methods"}')
    with pytest.raises(LookError, match=r"part.json: cannot be read \('heading'\); remove its folder"):
        read_part(tmp_path)


def test_a_folder_is_of_one_network(known_subject, tmp_path):
    report.claim(tmp_path, known_subject)
    report.claim(tmp_path, known_subject)
    other = known_network()
    other.model.weights[-1].assign([9, 9, 9])
    with pytest.raises(LookError, match="holds looks at known, which has other weights; choose another folder"):
        report.claim(tmp_path, subject_of(other, name="other"))
    (tmp_path / "subject.json").write_text("{")
    with pytest.raises(LookError, match=r"subject.json: is damaged; remove"):
        report.claim(tmp_path, known_subject)
    (tmp_path / "file").touch()
    with pytest.raises(LookError, match="cannot write there: Not a directory; choose another --out"):
        report.claim(tmp_path / "file" / "out", known_subject)


def test_the_page_holds_its_pictures_and_escapes_names(known_subject, frames, tmp_path):
    folder = tmp_path / "methods"
    folder.mkdir()
    picture = np.zeros((4, 4, 3), np.uint8)
    cv2.imwrite(str(folder / "a.png"), picture)
    (folder / "b.svg").write_text('<?xml?><svg id="x"><use href="#x"/></svg>')
    shown = Picture("a.png", "caption <b>", 'alt "quoted"')
    write_part(
        Part(
            "methods",
            "<script>",
            "f",
            pictures=(shown, Picture("b.svg", "drawn"), Picture("c.png", "far", shown=False)),
        ),
        folder,
    )
    text = report.write_report(tmp_path, known_subject, frames).read_text()
    assert "<script>" not in text
    assert "caption &lt;b&gt;" in text
    assert text.count("data:image/png;base64,") == 1
    assert 'id="methods-b-x"' in text
    assert 'href="methods/c.png"' in text
    (folder / "a.png").unlink()
    with pytest.raises(LookError, match=r"a.png: a picture of the page is gone .*; look again"):
        report.write_report(tmp_path, known_subject, frames)


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """A real network looked at by every technique of this half."""
    out = tmp_path_factory.mktemp("look")
    made = subject_of(architectures.build("radar", height=32, width=32, modes=3), synthetic=True, name="radar-1")
    frames = known_look(9)
    parts = {}
    for name in MINE:
        options = {"steps": 4} if name == "ascent" else {}
        parts[name] = techniques.run(name, made, frames, out, seed=0, **options)
    return out, made, frames, parts, report.write_report(out, made, frames)


def test_the_whole_page_opens_without_a_network(looked):
    out, _, _, parts, page = looked
    text = page.read_text()
    assert not re.search(r'(src|href)="(https?:)?//', text)
    for part in parts.values():
        assert html.escape(part.heading) in text
        assert html.escape(part.finding, quote=False) in html.unescape(text) or part.finding in html.unescape(text)
        assert (out / part.name / part.numbers).is_file()
        for picture in part.pictures:
            assert (out / part.name / picture.file).is_file()
    shown = [picture for part in parts.values() for picture in part.pictures if picture.shown]
    assert text.count("data:image/png;base64,") == len(shown)
    assert "Synthetic frames: no statement about real snow." in text
    assert html.escape(GUIDED_WARNING) in text or GUIDED_WARNING in text


def test_there_is_one_panel_a_frame_and_its_numbers_are_those_of_the_methods(looked):
    out, made, frames, parts, _ = looked
    assert len(parts["methods"].pictures) == len(frames.labels)
    numbers = np.load(out / "methods" / "methods.npz")
    from training.look.explainer import Explainer

    explainer = Explainer(made.network, made.rule.no_echo)
    predicted = made.probabilities(frames.images).argmax(axis=1)
    np.testing.assert_array_equal(numbers["predicted"], predicted)
    expected = explainer.relevance("guided_gradcam", frames.images, predicted)
    np.testing.assert_allclose(numbers["guided_gradcam"], expected, rtol=1e-3, atol=1e-8)
    total = numbers["integrated"].sum(axis=(1, 2)) + numbers["integrated_gap"]
    np.testing.assert_allclose(total, numbers["integrated_difference"], rtol=1e-3, atol=1e-4)


def test_the_warning_about_guided_methods_is_on_every_panel(looked, monkeypatch):
    _, made, frames, _, _ = looked
    written = []
    write = methods.write
    monkeypatch.setattr(
        methods, "write", lambda canvas, text, *a, **k: (written.append(text), write(canvas, text, *a, **k))
    )
    maps = {name: np.ones((8, 8), np.float32) for name in methods.NAMES}
    methods.draw_panel(made, frames, 0, np.array([0.2, 0.7, 0.1]), maps, {})
    assert any("no evidence" in text and "Adebayo" in text for text in written)
    assert "called VX, p = 0.70" in written
    assert "labelled SY" in written or frames.labels[0].mode == "VX"
    written.clear()
    methods.draw_panel(made, frames, 0, np.array([1, 0, 0]), {}, {"gradcam": "it keeps no place"})
    assert any("not defined: it" in text for text in written)
    assert not any("Adebayo" in text for text in written)


@pytest.mark.parametrize("name", MINE)
def test_what_is_undefined_is_said_and_the_rest_goes_on(name, tmp_path):
    made = subject_of(architectures.build("mlp", height=32, width=32, modes=3), architecture="mlp")
    frames = known_look(6)
    options = {"steps": 2} if name == "ascent" else {}
    part = techniques.run(name, made, frames, tmp_path, seed=0, **options)
    if name == "activations":
        assert part.finding.startswith("Not defined for this network: none of its layers gives maps")
    if name == "methods":
        assert part.finding.startswith("No heat maps: the network keeps no sense of place.")
        assert any(warning.startswith("Grad-CAM: not defined for this network") for warning in part.warnings)
    assert part.heading in report.write_report(tmp_path, made, frames).read_text()


# The commands.


def run(*words):
    from training.commands.look import look

    return CliRunner().invoke(look, [str(word) for word in words])


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """A published model of five modes, with its recipe."""
    made = subject_of(
        architectures.build("nakai2022", height=32, width=32, modes=5), modes=5, architecture="nakai2022"
    )
    folder = tmp_path_factory.mktemp("models") / "202401010000"
    export.write(folder, made.network, made.card)
    return folder


def test_commands_gather_their_parts_on_one_page(version, winter, tmp_path):
    out = tmp_path / "out"
    for words in (["filters"], ["activations", "--layer", "conv2d_3"]):
        result = run(*words, version, "--frames", winter, "--count", 10, "--out", out)
        assert result.exit_code == 0, result.output
    assert f"Report: {out / 'report.html'}" in result.output
    text = (out / "report.html").read_text()
    assert "First-layer filters" in text
    assert "Feature maps" in text
    assert "10 frames (2 SY, 2 VX, 2 LT, 2 DM, 2 NO)" in html.unescape(text)
    assert json.loads((out / "subject.json").read_text())["name"] == "202401010000"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["activations", "{version}", "--frames", "{winter}", "--layer", "conv9"],
            "--layer: expected one of conv2d, ",
        ),
        (["filters", "{version}"], "name labelled frames with --frames FOLDER"),
        (["compare", "{version}", "--frames", "{winter}"], "Expected two or more networks to compare, received 1"),
        (["filters", "nowhere", "--frames", "{winter}"], "nowhere: expected a run, RUNS/NAME"),
        (["filters", "{version}", "--frames", "nowhere"], "nowhere: expected a folder of labelled frames"),
    ],
)
def test_wrong_settings_end_with_2_and_one_sentence(version, winter, tmp_path, words, message):
    given = [word.format(version=version, winter=winter) for word in words]
    result = run(*given, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.output.count("Error: ") == 1
    assert message in result.output
    assert not (tmp_path / "out" / "report.html").exists()


def test_help_teaches():
    text = run("--help").output
    for name in (*techniques.TECHNIQUES, "all"):
        assert f" {name} " in text
    assert "the frames that the run held out" in " ".join(run("methods", "--help").output.replace("│", " ").split())
