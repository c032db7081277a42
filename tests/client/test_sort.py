"""`client sort` as a process: which frame goes where, what is never touched, what is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from client.errors import OutputError
from client.results.rows import columns_for
from client.results.runs import Record, RunIdentity, record_file, write_record
from client.sort import How, Job, carry_out, make_plan
from tests.client.command import client
from tests.client.test_stats import CODES, write_results


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "hse20152016"
    folder.mkdir()
    for n in range(8):
        (folder / f"pr2hse{n:05d}.png").write_bytes(b"frame %d" % n)
    return folder


@pytest.fixture
def results(tmp_path: Path, frames: Path) -> Path:
    """Frames 0, 1, 2, 6: LT; 3, 4: NO (not accepted); 5 not classified; 7: LT."""
    path = write_results(tmp_path / "hse20152016.csv", "LLLNNxLL")
    identity = RunIdentity(str(frames), "snowmode", 7, columns_for(CODES), 0.0)
    write_record(record_file(path), Record(identity))
    return path


def tree(folder: Path) -> dict[str, list[str]]:
    return {sub.name: sorted(p.name[6:11] for p in sub.iterdir()) for sub in sorted(folder.iterdir())}


def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    rows = ["LT", "LT", "NO", "NO", "LT", "NO", "mixed"]
    path.write_text("file,label\n" + "".join(f"pr2hse{n:05d}.png,{label}\n" for n, label in enumerate(rows)))
    return path


def test_nothing_is_done_without_yes(results: Path, tmp_path: Path) -> None:
    for words in ((), ("--yes", "--dry-run")):
        done = client("sort", results, "--out", tmp_path / "out", *words)
        assert done.returncode == 0, done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        assert lines[2:5] == [["LT", "5"], ["NO", "2"], ["unclassified", "1"]]
        assert "Give --yes" in done.stderr
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("how", list(How))
def test_frames_go_to_the_folder_of_their_mode(results: Path, frames: Path, tmp_path: Path, how: How) -> None:
    out = tmp_path / "out"
    done = client("sort", results, "--out", out, f"--{how}", "--yes")
    assert done.returncode == 0, done.stderr
    assert tree(out) == {
        "LT": ["00000", "00001", "00002", "00006", "00007"],
        "NO": ["00003", "00004"],
        "unclassified": ["00005"],
    }
    for folder in out.iterdir():
        for path in folder.iterdir():
            assert path.read_bytes() == (frames / path.name).read_bytes()
            assert path.is_symlink() == (how is How.LINK)
            assert path.samefile(frames / path.name) == (how is not How.COPY)
            assert path.stat().st_mtime_ns == (frames / path.name).stat().st_mtime_ns
    again = client("sort", results, "--out", out, f"--{how}", "--yes")
    assert again.returncode == 0, again.stderr
    assert "0 to do, 8 there already" in again.stdout
    assert len(list(frames.iterdir())) == 8


def test_an_interrupted_sort_goes_on(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    client("sort", results, "--out", out, "--copy", "--yes")
    (out / "LT" / "pr2hse00001.png").unlink()
    shutil.rmtree(out / "NO")
    done = client("sort", results, "--out", out, "--copy", "--yes")
    assert "3 to do, 5 there already" in done.stdout
    assert tree(out)["NO"] == ["00003", "00004"]


def test_by_what_people_saw_and_by_the_pair(results: Path, tmp_path: Path) -> None:
    table = labels(tmp_path)
    words = ("sort", results, "--labels", table, "--ignore", "mixed", "--yes", "--out")
    done = client(*words, tmp_path / "seen", "--by", "observed")
    assert done.returncode == 0, done.stderr
    assert "1 left out" in done.stdout
    assert tree(tmp_path / "seen") == {
        "LT": ["00000", "00001", "00004"],
        "NO": ["00002", "00003", "00005"],
        "unlabelled": ["00007"],
    }
    assert client(*words, tmp_path / "pairs", "--by", "pair").returncode == 0
    assert tree(tmp_path / "pairs") == {
        "LT_LT": ["00000", "00001"],
        "LT_NO": ["00004"],
        "NO_LT": ["00002"],
        "NO_NO": ["00003"],
        "NO_unclassified": ["00005"],
        "unlabelled_LT": ["00007"],
    }


def test_periods_are_labels_too(results: Path, tmp_path: Path) -> None:
    periods = tmp_path / "periods.csv"
    periods.write_text("start,end,mode\n2015-12-01T08:30,2015-12-01T08:50,NO\n")  # frames 0 to 2
    out = tmp_path / "out"
    words = ("--by", "observed", "--labels", periods, "--zone", "JST")
    done = client("sort", results, "--out", out, *words, "--yes")
    assert done.returncode == 0, done.stderr
    assert tree(out)["NO"] == ["00000", "00001", "00002"]
    assert len(tree(out)["unlabelled"]) == 5


def test_only_accepted_frames(results: Path, tmp_path: Path) -> None:
    done = client("sort", results, "--out", tmp_path / "out", "--accepted-only", "--yes")
    assert list(tree(tmp_path / "out")) == ["LT"]
    assert "3 left out" in done.stdout


# What must not happen.


@pytest.mark.parametrize("how", list(How))
def test_other_files_are_never_overwritten(results: Path, tmp_path: Path, how: How) -> None:
    other = tmp_path / "out" / "LT" / "pr2hse00001.png"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"mine")
    done = client("sort", results, "--out", tmp_path / "out", f"--{how}", "--yes")
    assert done.returncode == 1
    assert "pr2hse00001.png is another file in LT already" in done.stderr
    assert other.read_bytes() == b"mine"
    assert len(tree(tmp_path / "out")["LT"]) == 5  # the others were done


def test_a_link_that_leads_elsewhere_is_left_alone(results: Path, tmp_path: Path) -> None:
    link = tmp_path / "out" / "LT" / "pr2hse00001.png"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "nowhere")
    done = client("sort", results, "--out", tmp_path / "out", "--yes")
    assert done.returncode == 1
    assert link.readlink() == tmp_path / "nowhere"


def test_a_frame_is_never_in_two_folders(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    client("sort", results, "--out", out, "--yes")
    write_results(results, "NLLNNxLL")
    done = client("sort", results, "--out", out, "--yes")
    assert done.returncode == 1
    assert "pr2hse00000.png belongs to NO and is in LT already" in done.stderr
    assert "00000" not in tree(out)["NO"]


def test_missing_frames_are_named(results: Path, frames: Path, tmp_path: Path) -> None:
    (frames / "pr2hse00002.png").unlink()
    done = client("sort", results, "--out", tmp_path / "out", "--yes")
    assert done.returncode == 1
    assert "1 frames are not in" in done.stderr
    assert "pr2hse00002.png is missing" in done.stderr
    assert len(tree(tmp_path / "out")["LT"]) == 4


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "a/../../b.png"])
def test_names_that_lead_out_of_the_folder_are_refused(results: Path, tmp_path: Path, name: str) -> None:
    results.write_text(results.read_text().replace("pr2hse00003.png", name))
    done = client("sort", results, "--out", tmp_path / "out", "--yes")
    assert done.returncode == 2
    assert name in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--by", "pair"), "--labels"),
        (("--labels", "x.csv"), "--by observed"),
        (("--copy", "--link"), "received 2"),
        (("--frames", "nowhere"), "--frames nowhere"),
        (("--by", "observed", "--labels", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_wrong_options(results: Path, tmp_path: Path, words: tuple[str, ...], complaint: str) -> None:
    done = client("sort", results, "--out", tmp_path / "out", *words, "--yes")
    assert done.returncode == 2
    assert complaint in done.stderr
    assert not (tmp_path / "out").exists()


def test_results_from_elsewhere_need_the_folder(results: Path, frames: Path, tmp_path: Path) -> None:
    record_file(results).unlink()
    out = tmp_path / "out"
    assert "--frames" in client("sort", results, "--out", out, "--yes").stderr
    assert client("sort", results, "--out", out, "--frames", frames, "--yes").returncode == 0
    assert "another folder" in client("sort", results, "--frames", frames, "--out", frames).stderr
    assert "received a file" in client("sort", results, "--frames", frames, "--out", results).stderr


def test_a_folder_that_cannot_be_written_is_named(results: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "LT").write_text("a file where a folder is wanted")
    done = client("sort", results, "--out", tmp_path / "out", "--yes")
    assert done.returncode == 4
    assert "LT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_leaves_no_half_copy(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(results, tmp_path / "out", how=How.COPY)
    plan = make_plan(job)
    real = shutil.copy2

    def full(source: Path, target: Path) -> None:
        real(source, target)
        if source.name == "pr2hse00003.png":
            target.write_bytes(b"ha")
            raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(OutputError, match="No space left"):
        carry_out(job, plan, lambda _: None)
    monkeypatch.undo()
    left = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert all(path.read_bytes() == (plan.frames / path.name).read_bytes() for path in left)
    rest = make_plan(job)
    assert rest.done == len(left)
    carry_out(job, rest, lambda _: None)
    assert make_plan(job).todo == []


def test_codes_that_make_one_folder_of_two_pairs_are_refused(tmp_path: Path, frames: Path) -> None:
    results = write_results(tmp_path / "r.csv", "LN", codes=("A_B", "B"))
    table = tmp_path / "labels.csv"
    table.write_text("file,label\npr2hse00000.png,B\npr2hse00001.png,A_B\n")
    done = client("sort", results, "--frames", frames, "--out", tmp_path / "o", "--by", "pair", "--labels", table)
    assert done.returncode == 0, done.stderr  # B_A_B and A_B_B are two
    results = write_results(tmp_path / "r.csv", "LN", codes=("A", "A_A"))
    table.write_text("file,label\npr2hse00000.png,A_A\npr2hse00001.png,A\n")
    done = client("sort", results, "--frames", frames, "--out", tmp_path / "o", "--by", "pair", "--labels", table)
    assert done.returncode == 2
    assert "A_A_A" in done.stderr


def test_frames_in_subfolders_stay_in_subfolders(tmp_path: Path, frames: Path) -> None:
    (frames / "12").mkdir()
    (frames / "pr2hse00001.png").rename(frames / "12" / "pr2hse00001.png")
    results = write_results(tmp_path / "r.csv", "LL")
    results.write_text(results.read_text().replace("pr2hse00001.png", "12/pr2hse00001.png"))
    words = ("sort", results, "--frames", frames, "--out", tmp_path / "out", "--yes")
    assert client(*words).returncode == 0
    assert (tmp_path / "out" / "LT" / "12" / "pr2hse00001.png").read_bytes() == b"frame 1"
    assert "0 to do, 2 there already" in client(*words).stdout
