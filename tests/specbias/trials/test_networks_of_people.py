"""Whatever network, file or flag is given to `measure`: a right answer, or one line that says which it is.

Every case is a whole call of the command, in this process. A right answer is that of the plain network, where it is
the plain network that was given in some other form.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from specbias.__main__ import main
from tests.specbias.trials.calls_of_people import OTHERS, PLAIN, REFUSED, THE_SAME

pytestmark = pytest.mark.usefixtures("undrawn")

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with 12 images of 8 x 8 in three classes, the networks' file, and checkpoints of many kinds."""
    folder = tmp_path_factory.mktemp("people")
    generator = np.random.default_rng(0)
    for label in range(3):
        (folder / "images" / f"class_{label}").mkdir(parents=True)
        for number in range(4):
            pixels = generator.integers(60 * label, 60 * label + 100, size=(8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / f"class_{label}" / f"{number}.png")
    shutil.copy(HERE / "networks_of_people.py", folder / "nets.py")
    (folder / "broken.py").write_text("def make(:\n")
    (folder / "raising.py").write_text("import json\n\njson.loads('{')\n")
    (folder / "exiting.py").write_text("import sys\nsys.exit(1)\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.backends, "fp32_precision", "none")  # torch exports nothing with "ieee"
        save_checkpoints(folder)
    return folder


def save_checkpoints(folder):
    sys.path.insert(0, str(folder))
    try:
        import nets
    finally:
        sys.path.remove(str(folder))
    network = nets.plain()
    weights = network.state_dict()
    twice = {name: value * 2 for name, value in weights.items()}
    torch.save(weights, folder / "weights.pt")
    torch.save({"state_dict": weights, "state_dict_ema": twice}, folder / "ema.pt")
    torch.save({"epoch": 3}, folder / "epoch.pt")
    torch.save([weights], folder / "list.pt")
    torch.save(network, folder / "whole.pt")
    torch.save(weights | {"5.weight": torch.zeros(9, 4)}, folder / "nine.pt")
    torch.save({n: v for n, v in weights.items() if not n.startswith("5")}, folder / "headless.pt")
    torch.save({n: v * float("nan") for n, v in weights.items() if v.is_floating_point()}, folder / "nan.pt")
    (folder / "text.pt").write_text("weights")
    (folder / "zeros.pt").write_bytes(bytes(1000))
    (folder / "cut.pt").write_bytes((folder / "weights.pt").read_bytes()[:900])
    (folder / "net.onnx").write_bytes(b"onnx")
    example = torch.zeros(2, 3, 8, 8)
    torch.jit.save(torch.jit.script(network.eval()), folder / "script.pt")
    sizes = {"input": {0: torch.export.Dim("batch")}}
    torch.export.save(torch.export.export(network.eval(), (example,), dynamic_shapes=sizes), folder / "exported.pt2")
    torch.export.save(torch.export.export(network.eval(), (example,)), folder / "fixed.pt2")


def run(place, monkeypatch, capsys, *flags):
    """The exit status, what was printed to stdout and stderr, and the record (None: not written) of one call."""
    monkeypatch.chdir(place)
    (place / "out.json").unlink(missing_ok=True)
    begin = ["specbias", "measure", "--dataset", "imagefolder:images", "--pairs", "1", "--path-samples", "8"]
    monkeypatch.setattr(sys, "argv", [*begin, *flags])
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code
    finally:
        for name in ("nets", "raising", "exiting"):
            sys.modules.pop(name, None)
    printed = capsys.readouterr()
    record = json.loads((place / "out.json").read_text()) if (place / "out.json").exists() else None
    return status, printed.out, printed.err, record


def numbers(record):
    return [record["accuracy"]] + [record[kind]["high_frequency_share"] for kind in ("within_class", "between_class")]


@pytest.fixture(scope="module")
def right(place):
    """The numbers of the plain network, and the notes on its images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        from specbias.settings.measurement import NetworkConfig
        from specbias.trials.network import measure_network

        config = NetworkConfig(model="nets:plain", dataset="imagefolder:images", pairs=1, path_samples=8)
        record, _ = measure_network(config)
        return numbers(record), record["notes"]


@pytest.mark.parametrize("flags", THE_SAME, ids=" ".join)
def test_the_plain_network_in_any_form_has_the_same_numbers(place, right, monkeypatch, capsys, flags):
    status, out, err, record = run(place, monkeypatch, capsys, *flags)
    assert status == 0, err
    expected, usual = right
    assert numbers(record) == pytest.approx(expected, abs=1e-5)
    noted = [note for note in record["notes"] if note not in usual]
    note = THE_SAME[flags]
    assert noted == [] if note is None else note in noted[0] and note in out


@pytest.mark.parametrize("flags", OTHERS, ids=" ".join)
def test_other_networks_are_measured_and_what_was_done_for_it_is_a_note(place, monkeypatch, capsys, flags):
    status, out, err, record = run(place, monkeypatch, capsys, *flags)
    assert status == 0, err
    assert record["within_class"]["high_frequency_share"] > 0
    assert OTHERS[flags] is None or any(OTHERS[flags] in note for note in record["notes"])


@pytest.mark.parametrize("flags", REFUSED, ids=" ".join)
def test_what_cannot_be_measured_is_one_line_and_status_2(place, monkeypatch, capsys, flags):
    if any(flag.endswith(".safetensors") for flag in flags):
        pytest.importorskip("safetensors")
    status, _, err, record = run(place, monkeypatch, capsys, *flags)
    assert status == 2 and record is None
    assert REFUSED[flags] in err and "Traceback" not in err
    if "error: " in err:  # else it is tyro's own
        [line] = [line for line in err.splitlines() if line.startswith("error: ")]
        assert REFUSED[flags] in line


def test_a_network_may_write_on_its_input(place, monkeypatch, capsys):
    *_, record = run(place, monkeypatch, capsys, "--model", "nets:writing_on_its_input")
    *_, twin = run(place, monkeypatch, capsys, "--model", "nets:writing_on_a_copy")
    assert numbers(record) == pytest.approx(numbers(twin), abs=1e-5)


def test_another_size_is_proposed_only_where_the_size_is_the_matter(place, monkeypatch, capsys):
    _, _, err, _ = run(place, monkeypatch, capsys, "--model", "nets:leaving")
    assert "--network-size" not in err


@pytest.mark.parametrize("kind", ["images", "weights", "labels", "network", "folder"])
def test_what_is_read_is_never_written_over(place, monkeypatch, capsys, tmp_path, kind):
    np.savez(tmp_path / "own.npz", images=np.zeros((6, 8, 8, 3), np.uint8), labels=np.arange(6) % 3)
    shutil.copy(place / "weights.pt", tmp_path / "own.pt")
    shutil.copytree(place / "images", tmp_path / "images")
    (tmp_path / "link.json").symlink_to("own.pt")
    np.save(tmp_path / "labels.npy", np.arange(12) % 3)
    flags, read = {
        "images": (("--dataset", "npz:own.npz", "--output", "own.json"), "own.npz"),
        "weights": (("--checkpoint", "own.pt", "--output", "link.json"), "own.pt"),
        "labels": (("--labels", "labels.npy", "--output", "labels.npy"), "labels.npy"),
        "network": (("--output", "nets.py"), "nets.py"),
        "folder": (("--output", "images/class_0/0.png"), "images/class_0/0.png"),
    }[kind]
    shutil.copy(place / "nets.py", tmp_path / "nets.py")
    before = (tmp_path / read).read_bytes()
    status, _, err, _ = run(tmp_path, monkeypatch, capsys, *PLAIN, *flags)
    assert status == 2 and "would write over" in err and err.count("\n") == 1
    assert (tmp_path / read).read_bytes() == before


def test_what_cannot_be_written_is_refused_before_anything_is_measured(place, monkeypatch, capsys, tmp_path):
    (tmp_path / "found.npz").mkdir()
    monkeypatch.setattr("specbias.trials.network.measure_network", lambda *_, **__: pytest.fail("it was measured"))
    status, _, err, _ = run(place, monkeypatch, capsys, *PLAIN, "--output", str(tmp_path / "found.json"))
    assert status == 2 and "found.npz cannot be written: Is a directory" in err
    assert not (tmp_path / "found.json").exists()


def test_the_users_own_code_that_fails_is_named_by_file_and_line(place, monkeypatch, capsys):
    for model in ("nets:failing", "nets.py:failing", "nets:fails_when_made"):
        _, _, err, _ = run(place, monkeypatch, capsys, "--model", model)
        named = err.rpartition("(")[2]
        assert "nets.py, line" in named, err
        line = int(named.split("line ")[1].split(")")[0])
        assert (
            "5, 5" in (place / "nets.py").read_text().splitlines()[line - 1]
            or "raise KeyError" in ((place / "nets.py").read_text().splitlines()[line - 1])
        )


def test_check_tells_how_all_is_understood_and_measures_nothing(place, monkeypatch, capsys):
    status, out, _, record = run(
        place, monkeypatch, capsys, "--model", "nets:softmax", "--checkpoint", "none", "--check"
    )
    assert status == 0 and record is None
    assert "network: Changed, 135 parameters, weights as its factory makes them" in out
    assert "its input: mean 0.485 0.456 0.406, std 0.229 0.224 0.225 (the data set's own)" in out
    assert "test split, 12 of 8 x 8 in 3 classes; distances with mean 0.485 0.456 0.406, std 0.229 0.224 0.225" in out
    assert "accuracy on 12 of them: 0." in out
    assert "paths: 3 within classes, 3 between; 60 images in all" in out
    assert "note: the network gives probabilities" in out
    _, out, _, _ = run(place, monkeypatch, capsys, *PLAIN, "--check", "--expect-accuracy", "0.99")
    assert "--expect-accuracy 0.99 is judged on all 12 when measuring" in out
    status, _, err, _ = run(place, monkeypatch, capsys, "--model", "nets:sigmoid", "--check")
    assert status == 2 and "sum to" in err


def test_help_is_in_groups_and_shows_no_none(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["specbias", "measure", "--help"])
    with pytest.raises(SystemExit) as end:
        main()
    shown = capsys.readouterr().out
    assert end.value.code == 0 and "{None}" not in shown
    places = [shown.index(f" {group} options ") for group in ("network", "images", "paths", "what-else", "how")]
    assert places == sorted(places)
