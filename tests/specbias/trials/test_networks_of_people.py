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


PLAIN = ("--model", "nets:plain")
# flags -> a note of the record, or None
THE_SAME = {
    ("--model", "nets.py:plain"): None,
    (*PLAIN, "--checkpoint", "weights.pt"): None,
    (*PLAIN, "--checkpoint", "whole.pt"): None,
    (*PLAIN, "--checkpoint", "ema.pt"): "those of state_dict; ema.pt also holds weights that fit as state_dict_ema",
    (*PLAIN, "--checkpoint", "ema.pt", "--weights-key", "state_dict"): None,
    ("--model", "nets:softmax"): "gives probabilities",
    ("--model", "nets:log_softmax"): None,
    ("--model", "nets:an_object"): "logits are `.logits`, in the SimpleNamespace",
    ("--model", "nets:a_named_tuple"): "logits are `.logits`, in the Outputs",
    ("--model", "nets:a_dict"): "logits are ['pred'], in the dict",
    ("--model", "nets:with_features"): "logits are [0], in the tuple",
    ("--model", "nets:parallel"): None,
    ("--model", "nets:parallel", "--checkpoint", "weights.pt"): None,
    ("--model", "nets:compiled"): None,
    ("--model", "script.pt"): None,
    ("--model", "exported.pt2"): None,
    ("--model", "nets:double"): "weights are of float64, and are computed with in float32",
    ("--model", "nets:double_itself"): None,
    ("--model", "nets:a_map"): "a map of 1 x 1 per image",
    (*PLAIN, "--answers", "2"): "answers the same each time",
    (*PLAIN, "--network-size", "8"): None,
    (*PLAIN, "--batch-size", "5"): None,
    (*PLAIN, "--input-mean", "0.485", "0.456", "0.406", "--input-std", "0.229", "0.224", "0.225"): None,
}  # fmt: skip


@pytest.mark.parametrize("flags", THE_SAME, ids=" ".join)
def test_the_plain_network_in_any_form_has_the_same_numbers(place, right, monkeypatch, capsys, flags):
    status, out, err, record = run(place, monkeypatch, capsys, *flags)
    assert status == 0, err
    expected, usual = right
    assert numbers(record) == pytest.approx(expected, abs=1e-5)
    noted = [note for note in record["notes"] if note not in usual]
    note = THE_SAME[flags]
    assert noted == [] if note is None else note in noted[0] and note in out


# flags -> a note of the record, or None: other functions, which are measured as what they are
OTHERS = {
    ("--model", "nets:Viewing"): None,
    ("--model", "nets:lazy"): None,
    ("--model", "nets:grey"): "takes one channel: it is shown images in grey",
    ("--model", "nets:OfPixels"): "takes one channel: it is shown images in grey",
    ("--model", "nets:Keeping", "--jacobian", "2"): None,
    ("--model", "nets:half"): "weights are of half precision, and are computed with in float32",
    ("--model", "nets:bfloat16"): "weights are of half precision",
    ("--model", "nets:large", "--network-size", "16"): "images are resized to 16 x 16",
    ("--model", "nets:always_dropping", "--answers", "5"): "mean probability of 5 answers",
    ("--model", "nets:sigmoid", "--outputs", "logits"): None,
    (*PLAIN, "--checkpoint", "ema.pt", "--weights-key", "state_dict_ema"): None,
    (*PLAIN, "--precision", "bf16"): None,
    (*PLAIN, "--precision", "corrected"): None,
    (*PLAIN, "--model-args", '{"width": 9}'): None,
    (*PLAIN, "--input-mean", "0.5", "0.5", "0.5", "--input-std", "0.5", "0.5", "0.5"): None,
    ("--model", "nets:half", "--jacobian", "2", "--local", "2", "--fourier", "2"): "half precision",
    ("--model", "nets:softmax", "--jacobian", "2", "--projections", "3", "--signal", "margin"): "probabilities",
    ("--model", "small_cnn", "--model-args", '{"width": 4}'): None,
    ("--model", "torchvision:resnet18", "--model-args", '{"num_classes": 3}'): None,
}  # fmt: skip


@pytest.mark.parametrize("flags", OTHERS, ids=" ".join)
def test_other_networks_are_measured_and_what_was_done_for_it_is_a_note(place, monkeypatch, capsys, flags):
    status, out, err, record = run(place, monkeypatch, capsys, *flags)
    assert status == 0, err
    assert record["within_class"]["high_frequency_share"] > 0
    assert OTHERS[flags] is None or any(OTHERS[flags] in note for note in record["notes"])


# flags -> what the one line says
REFUSED = {
    ("--model", "nets:sigmoid"): "all between 0 and 1 but sum to",
    ("--model", "nets:always_dropping"): "two answers to the same images differ by",
    ("--model", "nets:noisy", "--precision", "bf16"): "two answers to the same images differ by",
    ("--model", "nets:a_little_of_its_batch", "--precision", "bf16"): "depends on the others in the batch",
    ("--model", "nets:whole_numbers"): "gives numbers of torch.int64, not logits",
    (*PLAIN, "--weights-key", "ema"): "weights_key=ema: must be given together with checkpoint",
    (*PLAIN, "--projections", "3"): "projections=3: must be given together with jacobian",
    ("--model", "nets:squeezing"): "for one image the network gives shape (3,), and (12, 3) for 12",
    ("--model", "nets:rows_of_another_number"): "gives an answer of shape (4, 3) to 2 images, not one row for each",
    ("--model", "nets:LeavingLater"): "the network ends the program: SystemExit: 0",
    ("--model", "nets:of_its_batch"): "depends on the others in the batch",
    ("--model", "nets:training_statistics"): "depends on the others in the batch",
    ("--model", "nets:two_heads"): "gives a tuple of 0: (12, 3), 1: (12, 3), not a tensor of logits",
    ("--model", "nets:nothing_at_all"): "gives a NoneType, not a tensor",
    ("--model", "nets:words"): "gives a str, not a tensor",
    ("--model", "nets:not_finite"): "not finite",
    ("--model", "nets:classes_alone"): "outputs of shape () per image",
    ("--model", "nets:failing"): "shapes cannot be multiplied (2x3 and 5x5)",
    ("--model", "nets.py:failing"): "shapes cannot be multiplied (2x3 and 5x5)",
    ("--model", "nets:leaving"): "SystemExit: 3",
    ("--model", "nets:large"): "--network-size N resizes images",
    ("--model", "nets:a_list"): "gave a list, not a torch.nn.Module",
    ("--model", "nets:a_function"): "gave a function, not a torch.nn.Module",
    ("--model", "nets:needs_more"): "TypeError: needs_more() missing 1 required positional argument",
    ("--model", "nets:fails_when_made"): "KeyError: 'depth' (",
    ("--model", "nets:exits_when_made"): "SystemExit: no (",
    ("--model", "nets:instance"): "failed (TypeError",
    ("--model", "broken:make"): "SyntaxError",
    ("--model", "broken.py:make"): "broken.py is no Python that can be read",
    ("--model", "raising:make"): "raising.py, line 3)",
    ("--model", "exiting:make"): "SystemExit: 1 (",
    ("--model", "nets:plain", "--model-args", '{"classes": 7}'): "outputs of shape (7,) per image, the data set has 3",
    ("--model", "nets:plain", "--model-args", "{"): "no JSON",
    ("--model", "none.pt2"): "there is no such file",
    ("--model", "fixed.pt2"): "exported for batches of 2 images alone",
    ("--model", "weights.pt"): "no network of torch.jit.save; weights are given as --checkpoint",
    ("--model", "net.onnx"): "an ONNX file is measured from Python",
    ("--model", "script.pt", "--checkpoint", "weights.pt"): "leave out --checkpoint",
    ("--model", "timm:no_such_network"): "timm",
    ("--model", "hf:images"): "hf:images",
    (*PLAIN, "--checkpoint", "script.pt"): "a TorchScript file, which is a program and not weights: --model script.pt",
    (*PLAIN, "--checkpoint", "exported.pt2"): "a file of torch.export",
    (*PLAIN, "--checkpoint", "epoch.pt"): "no named weights, but epoch",
    (*PLAIN, "--checkpoint", "list.pt"): "no named weights, but a list",
    (*PLAIN, "--checkpoint", "nine.pt"): "of another shape: 5.weight (9, 4) for (3, 4)",
    (*PLAIN, "--checkpoint", "headless.pt"): "missing: 5.bias, 5.weight",
    (*PLAIN, "--checkpoint", "nan.pt"): "not finite",
    (*PLAIN, "--checkpoint", "text.pt"): "it begins with b'weights'",
    (*PLAIN, "--checkpoint", "zeros.pt"): "no file of weights",
    (*PLAIN, "--checkpoint", "cut.pt"): "no file of weights",
    (*PLAIN, "--checkpoint", "images"): "a folder",
    (*PLAIN, "--checkpoint", "none.safetensors"): "there is no such file",
    (*PLAIN, "--checkpoint", "ema.pt", "--weights-key", "model"): "has no weights there; it has: state_dict",
    (*PLAIN, "--expect-accuracy", "0.99"): "expect_accuracy=0.99: on these images it is 0.",
    (*PLAIN, "--expect-accuracy", "93"): "must be between 0 and 1",
    (*PLAIN, "--input-mean", "0.5", "0.5", "0.5"): "given together with input_mean",
    (*PLAIN, "--input-std", "0", "0", "0"): "above 0, at most 1",
    (*PLAIN, "--answers", "0"): "answers=0: must be at least 1",
    (*PLAIN, "--outputs", "sigmoid"): "outputs=sigmoid: must be auto or logits",
    (*PLAIN, "--network-size", "4"): "network_size=4: must be at least 8",
    (*PLAIN, "--network-size", "x"): "network-size",
    (*PLAIN, "--device", "tpu"): "device=tpu: must be cpu, cuda",
    (*PLAIN, "--precision", "fp8"): "precision=fp8",
    (*PLAIN, "--dataset", "imagefolder:none"): "none",
    (*PLAIN, "--pairs", "50"): "50 pairs need 100 images of a class",
    (*PLAIN, "--jacobian", "50"): "needs 50 images, there are 12",
    (*PLAIN, "--unknown", "1"): "unknown",
}  # fmt: skip


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
