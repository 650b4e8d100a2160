"""The Jacobian norm of a linear map is its Frobenius norm; of a network, that of torch's own Jacobian."""

import pytest
import torch

from specbias.measurement.jacobian import jacobian_norm
from specbias.models import build_model


def test_a_linear_map_has_its_frobenius_norm():
    matrix = torch.randn(3072, 10, generator=torch.Generator().manual_seed(0))
    found = jacobian_norm(lambda x: x.flatten(1) @ matrix, torch.randn(7, 3, 32, 32), batch_size=4)
    assert found == pytest.approx(matrix.norm().item(), rel=1e-5)


def test_a_networks_is_that_of_torchs_jacobian_and_leaves_no_gradient():
    torch.manual_seed(0)
    model = build_model("small_cnn", num_classes=10, image_size=32, width=4).eval()
    images = torch.randn(3, 3, 32, 32)
    squares = [
        torch.autograd.functional.jacobian(lambda x: model(x.unsqueeze(0))[0], image).square().sum() for image in images
    ]
    with torch.inference_mode():
        found = jacobian_norm(model, images, batch_size=2)
    assert found == pytest.approx(torch.stack(squares).mean().sqrt().item(), rel=1e-4)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_estimate_is_unbiased_and_repeats_with_its_seed():
    matrix = torch.randn(3072, 10, generator=torch.Generator().manual_seed(0)) * torch.arange(10)
    images = torch.randn(50, 3, 32, 32)
    found = [
        jacobian_norm(lambda x: x.flatten(1) @ matrix, images, batch_size=50, projections=40, seed=s) for s in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]
    assert found[0] == pytest.approx(matrix.norm().item(), rel=0.03)
