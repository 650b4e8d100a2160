"""Float32 is float32 in every operation, whatever was asked of torch before."""

import pytest
import torch

from specbias.training.execution import use_device


@pytest.fixture
def rounding():
    """What training scripts ask for, a GPU's TF32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    yield
    use_device("cpu", threads=None)


@pytest.mark.usefixtures("rounding")
def test_no_operation_rounds_float32_whatever_was_set_before():
    use_device("cpu", threads=None)
    backends = torch.backends
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    places += (backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn)
    assert {place.fp32_precision for place in places} == {"ieee"}
    torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),))  # which older and newer settings must agree for
