"""What is asked before any trial."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from specbias.settings import SettingError
from specbias.settings.config import TrialConfig
from sweeps.cifar import STUDY
from sweeps.service.ask.options import Options
from sweeps.service.ask.plan import make_plan
from sweeps.service.machines import preflight
from sweeps.service.study import execution_settings


def plan(**changes):
    return replace(make_plan(STUDY, Options(quick=True, interventions="mixup"), gpus=0), **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpus_per_trial": 2.0}, "--gpus-per-trial 2: there are 1 GPUs"),
        ({"cpus_per_trial": 3}, "--cpus-per-trial 3: there are 2 CPUs"),
    ],
)
def test_more_than_there_is_is_refused(changes, said):
    with pytest.raises(SettingError, match=said):
        preflight.check_resources(plan(**changes), cpus=2, gpus=1)


def test_a_gpu_that_is_used_must_be_reserved():
    found = plan()
    on_gpu = plan(trials=tuple(replace(config, device="cuda") for config in found.trials))
    with pytest.raises(SettingError, match="device=cuda needs a GPU"):
        preflight.check_resources(on_gpu, cpus=2, gpus=1)
    preflight.check_resources(found, cpus=2, gpus=1)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("torchvision:resnet81", "unknown model of torchvision 'resnet81': did you mean resnet18. known: alexnet"),
        ("torchvision:alexnet", "model=torchvision:alexnet: takes no images of 32 x 32"),
    ],
)
def test_a_network_that_cannot_be_is_refused_before_any_trial(model, said):
    with pytest.raises(SettingError, match=said):
        STUDY.kind.prepare(TrialConfig(dataset="digits", model=model))
    STUDY.kind.prepare(TrialConfig(dataset="digits", model="pyramid_net"))


def test_a_file_of_records_that_cannot_be_written_is_refused_before_anything_is_opened(tmp_path):
    places = {"storage_path": str(tmp_path), "tracking_uri": f"sqlite:///{tmp_path}/mlflow.db"}
    preflight.check_places(**places, records=str(tmp_path / "records.csv"))
    for file in ("/proc/records.csv", "/proc/version"):
        with pytest.raises(SettingError, match=f"--records {file}: cannot be written"):
            preflight.check_places(**places, records=file)
    assert not list(tmp_path.iterdir())


def test_a_tracking_store_becomes_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert preflight.absolute_tracking_uri(None) == f"sqlite:///{tmp_path}/mlflow.db"
    assert preflight.absolute_tracking_uri("sqlite:///sub/x.db") == f"sqlite:///{tmp_path}/sub/x.db"
    assert preflight.absolute_tracking_uri("sqlite:////abs/x.db") == "sqlite:////abs/x.db"
    assert preflight.absolute_tracking_uri("http://host:5000") == "http://host:5000"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://other:5000")
    assert preflight.absolute_tracking_uri(None) == "http://other:5000"
    with pytest.raises(SettingError, match="expected sqlite:///FILE, http"):
        preflight.absolute_tracking_uri("mlflow.db")
    for uri in ("sqlite://", "sqlite:///", f"sqlite:///{tmp_path}", "sqlite:///a%41/x.db", "sqlite:///a?b.db"):
        with pytest.raises(SettingError, match="expected sqlite:///FILE, without"):
            preflight.absolute_tracking_uri(uri)
    with pytest.raises(SettingError, match="expected sqlite:///FILE, http"):
        preflight.absolute_tracking_uri("file:///tmp/mlruns")


def test_a_server_that_does_not_answer_is_refused():
    with pytest.raises(SettingError, match="no server answers"):
        preflight.check_tracking("http://127.0.0.1:9")


def test_a_storage_path_becomes_absolute_unless_it_is_a_uri(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert preflight.absolute_storage_path(None) == str(tmp_path / "ray_results")
    assert preflight.absolute_storage_path("s3://bucket/x") == "s3://bucket/x"


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("flags\t\t: fpu avx2 avx512_bf16 sse\n", "bf16"),
        ("Features\t: fp asimd bf16\n", "bf16"),
        ("flags\t\t: fpu avx2 sse\nmodel name: bf16\n", "float32"),
    ],
)
def test_precision_on_a_cpu_follows_what_the_hardware_says(monkeypatch, text, precision):
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert execution_settings("cpu", threads=3) == {
        "device": "cpu",
        "precision": precision,
        "memory_format": "channels_last",
        "threads": 3,
        "measure_batch": 256,
        "measure_precision": "float32",
        "compile": False,
    }


class Driver:
    """NVIDIA's, of a machine with four GPUs: the second is not for this container, the last has the CPU's memory."""

    NVMLError = type("NVMLError", (Exception,), {})

    def __init__(self, *, works):
        self.works, self.open = works, 0

    def nvmlInit(self):
        if not self.works:
            raise self.NVMLError("the library has another version than the kernel's module")
        self.open += 1

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlSystemGetDriverVersion(self):
        return "580.82"

    def nvmlDeviceGetCount(self):
        return 4

    def nvmlDeviceGetHandleByIndex(self, i):
        if i == 1:
            raise self.NVMLError("no permission")
        return i

    def nvmlDeviceGetName(self, card):
        return f"GPU {card}"

    def nvmlDeviceGetMemoryInfo(self, card):
        if card == 3:
            raise self.NVMLError("not supported")
        return SimpleNamespace(total=(card + 1) * 2**30)


def test_visible_gpus_are_those_that_can_be_used_and_the_environment_lets_through(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "pynvml", Driver(works=False))
    assert preflight.local_gpus() == 0 and preflight.cards() == []
    monkeypatch.setitem(sys.modules, "pynvml", driver := Driver(works=True))
    assert preflight.cards() == ["GPU 0, 1024 MiB, 580.82", "GPU 2, 3072 MiB, 580.82", "GPU 3, shared memory, 580.82"]
    assert preflight.local_gpus() == 3 and driver.open == 0
    for visible, count in (("0", 1), ("", 0), ("-1", 0), ("0,1", 2)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert preflight.local_gpus() == count
