"""What runs the blocks of the documents notices when a page is wrong."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.docs import commands
from tests.docs.blocks import PageError, read
from tests.docs.running import BlockError, played
from tests.docs.shown import difference, renewed


def page_of(tmp_path: Path, text: str):
    path = tmp_path / "page.md"
    path.write_text(text.replace("'''", "```"), encoding="utf-8")
    return read(path)


def play(tmp_path: Path, text: str, **more) -> dict[int, str]:
    with played(page_of(tmp_path, text), tmp_path / "stage", **more) as (_, printed):
        return printed


def test_variables_and_the_working_folder_last_from_block_to_block(tmp_path: Path) -> None:
    printed = play(
        tmp_path,
        "'''sh\nmkdir a b\ncd a\nexport WINTER='one winter'\n'''\n\nthen\n\n'''sh\npwd\necho $WINTER\n'''\n"
        "'''text\n.../a\none winter\n'''\n\n"
        "'''python\nimport os\nprint(os.environ['WINTER'], os.getcwd()[-2:])\n'''\n",
    )
    assert list(printed.values())[-1] == "one winter /a\n"


@pytest.mark.parametrize("line", ["false", "echo $NO_SUCH_VARIABLE", "false | cat", "client no-such-command"])
def test_a_command_that_fails_fails_the_page(tmp_path: Path, line: str) -> None:
    with pytest.raises(BlockError, match=r"page\.md, line 3: ended with"):
        play(tmp_path, f"# Page\n\n'''sh\n{line}\necho on\n'''\n")


def test_output_that_differs_from_the_shown_fails_the_page(tmp_path: Path) -> None:
    with pytest.raises(BlockError, match=r"line 4: shown, but not printed there: 'SY 5 pictures'"):
        play(tmp_path, "'''sh\necho LT 17 frames\n'''\n'''text\nSY 5 pictures\n'''\n")


def test_progress_does_not_count_as_output(tmp_path: Path) -> None:
    said = "echo 1,825 of 2,500 frames, 179 frames/s, 4 s left\necho 2,500 of 2,500 frames classified\n"
    assert list(play(tmp_path, f"'''sh\n{said}'''\n").values()) == ["2,500 of 2,500 frames classified\n"]


def test_the_settings_of_this_machine_do_not_reach_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWMODE_TOKEN", "secret")
    printed = play(tmp_path, "'''sh\necho [${SNOWMODE_TOKEN-none}] $HOME\n'''\n")
    assert printed[1] == f"[none] {tmp_path / 'stage.state'}\n"


SERVER = "import http.server as h, sys; h.test(h.SimpleHTTPRequestHandler, port=int(sys.argv[2]), bind='localhost')"


def test_a_server_runs_on_until_the_page_ends(tmp_path: Path) -> None:
    text = (
        f"'''sh\necho \"{SERVER}\" >serve.py\n'''\n\n"
        "<!-- stays running: http://localhost:8080/ -->\n'''sh\npython serve.py --port 8080\n'''\n"
    )
    with played(page_of(tmp_path, text), tmp_path / "stage") as (stage, _):
        url = stage.with_own_ports("http://localhost:8080/")
        assert url != "http://localhost:8080/"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.status == 200
    with pytest.raises((URLError, ConnectionError)):
        urllib.request.urlopen(url, timeout=10)


def test_a_server_that_ends_fails_the_page(tmp_path: Path) -> None:
    text = "<!-- stays running: localhost:8500 -->\n'''sh\necho no model; exit 3\n'''\n"
    with pytest.raises(BlockError, match=r"ended with 3 instead of running on:\nno model"):
        play(tmp_path, text)


def test_tests_run_the_smaller_text_and_pictures_the_shown(tmp_path: Path) -> None:
    text = "<!-- smaller in tests: 2500 -> 60 -->\n'''sh\necho 2500 frames\n'''\n'''text\n2500 frames\n'''\n"
    assert play(tmp_path, text) == {2: "60 frames\n"}
    assert play(tmp_path, text, smaller=False) == {2: "2500 frames\n"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- not executed -->\n'''sh\nls\n'''\n", "wants a reason"),
        ("<!-- not run: for a reason -->\n'''sh\nls\n'''\n", "expected one of not executed,"),
        ("<!-- skipped: for a reason -->\n'''sh\nls\n'''\n", "expected one of not executed,"),
        ("<!-- not executed: needs a cluster -->\n\nwords\n\n'''sh\nls\n'''\n", "right below 'not executed'"),
        ("<!-- not executed: needs a cluster -->\n'''text\nls\n'''\n", "never run"),
        ("'''sh\nls\n'''\n\n<!-- not executed: needs a cluster -->\n", "right below 'not executed'"),
        ("<!-- smaller in tests: 99 -> 1 -->\n'''sh\nls\n'''\n", "with SHOWN in the block below"),
        ("words\n\n<!-- picture: a.png -->\n", "expected a picture right above"),
    ],
)
def test_a_comment_that_would_say_nothing_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PageError, match=message):
        page_of(tmp_path, text)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\nb\n", "a\nb\n"),
        ("a\n...\nd\n", "a\nb\nc\nd\n"),
        ("a\n...\n", "a\n"),
        ("version ...\n", "version of today\n"),
        ("LT  1,200  0.95\n", "LT    60   0.9\n"),
        ("POD 0.51\n", "POD -\n"),
        ("share 90.8%\n", "share -\n"),
        ("a.png\t0.9\tDM\n", "a.png\t0.2\tNO\n"),
        ("2015-11-01T00:00Z\n", "2016-03-21T22:40Z\n"),
    ],
)
def test_what_may_differ(shown: str, printed: str) -> None:
    assert difference(shown, printed) == ""


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("a\n", "a\nb\n"),
        ("a\nb\n", "a\n"),
        ("a\n...\nd\n", "a\nb\n"),
        ("LT 12\n", "LT twelve\n"),
        ("LT 12\n", "L 12\n"),
        ("LT 12\n", "LT 12 13\n"),
        ("", "something\n"),
    ],
)
def test_what_may_not_differ(shown: str, printed: str) -> None:
    assert difference(shown, printed)


def test_the_mode_of_a_row_may_differ_after_a_smaller_training_only() -> None:
    assert difference("LT 12\n", "SY 3\n") == ""
    assert difference("LT 12\n", "SY 3\n", other_modes=False)
    assert renewed("...\nNO 1\n...\n", "LT 2\nNO 3\nSY 4\n") == "...\nNO 3\n...\n"


def test_numbers_are_renewed_and_the_rest_stays_left_out() -> None:
    shown = "frames  1\n...\nversion ...\nend 0.5\n"
    assert renewed(shown, "frames   24\nx\ny\nversion 7\nend 0.75\n") == "frames   24\n...\nversion ...\nend 0.75\n"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("client classify winter/ --formt nakai", "client classify: no option --formt"),
        ("clear && client clasify winter/", "client clasify: no such command"),
        ("training draw heatmaps x.png", "training draw heatmaps: no such command"),
        ("make dmeo", "make dmeo: no such target"),
        ("kubectl exec deploy/watcher -- client watch --folder x", "client watch: no option --folder"),
        ("for w in a b; do client stats $w --zoned JST; done", "client stats: no option --zoned"),
        ("serving model-server --model_base_pth=models", "serving model-server: no option --model_base_pth"),
    ],
)
def test_commands_with_faults(line: str, fault: str) -> None:
    assert commands.faults(line) == [fault]


@pytest.mark.parametrize(
    "line",
    [
        "client classify hse*/ --out results/ \\\n  --format nakai   # words --like-these",
        "SNOWMODE_SERVER=gpu:8500 client doctor",
        "serving model-server --model_config_file=models.config --num_load_threads=2",
        "kubectl logs job/training --follow",
        "training look all runs/NAME --count 200",
    ],
)
def test_commands_without_faults(line: str) -> None:
    assert commands.faults(line) == []


def test_variables_that_nothing_reads() -> None:
    assert commands.unknown_variables("SNOWMODE_SERVER SNOWMODE_CLASSIFY_THREADS") == []
    assert commands.unknown_variables("SNOWMODE_SERVR=x") == ["SNOWMODE_SERVR"]
