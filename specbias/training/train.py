"""How is a network trained? SGD, a cosine schedule, batches changed by the interventions: the loop, on one screen.

Recipe of "Spectral Bias in Practice" (section 6): Nesterov momentum 0.9, learning rate per step
lr/2 (1 + cos(pi i / steps)) for i = 1..steps, weight decay on all parameters, inside the clip of the gradient's norm
where `gradient_clip` asks for one (the paper: 5).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from specbias.data import Data
from specbias.settings.config import TrialConfig
from specbias.settings.seeds import derive_seed
from specbias.training.check import whole_size
from specbias.training.checkpoint import TrainState
from specbias.training.distillation import Distillation
from specbias.training.execution import training_layout
from specbias.training.interventions import build_interventions
from specbias.training.label_noise import LabelNoise
from specbias.training.penalties import build_penalties

Stream = Callable[[str], torch.Generator]  # by its name


class Diverged(ArithmeticError):
    """A loss or an output stopped being a finite number."""


def new_state(model: nn.Module, config: TrialConfig) -> TrainState:
    """Return an untrained state: the model on its device in its memory format, with a fresh optimiser."""
    model.to(config.device).to(memory_format=training_layout(model, config.device, config.memory_format))
    rate = config.learning_rate
    optimizer: torch.optim.Optimizer
    if config.optimizer == "adamw":
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=config.weight_decay)
    else:
        decay = 0.0 if config.gradient_clip else config.weight_decay  # with a clip it is inside of it
        optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9, nesterov=True, weight_decay=decay)
    return TrainState(config, model, optimizer)


def train(
    state: TrainState, data: Data, noise: LabelNoise | None = None, distil: Distillation | None = None
) -> Iterator[TrainState]:
    """Train from `state.epoch` to the last epoch and yield the same, updated state after each epoch.

    `noise` is put on the labels last, for the image that the network sees, and then `distil` makes the targets of it.
    Raises Diverged with the first bad step (counted from 1 over the whole training) at the end of its epoch: looking
    after every step would make a GPU wait.
    """
    config, model, optimizer = state.config, state.model, state.optimizer
    loss_of = _loss_function(model, data, noise, distil, config)
    present = len(data.train.labels)
    steps = (whole_size(config) if config.equal_steps else present) // config.batch_size  # per epoch
    for epoch in range(state.epoch + 1, config.epochs + 1):
        stream = cache(partial(_generator, config, epoch))
        passes = -(-steps * config.batch_size // present)  # one, but where a smaller set makes as many steps
        order = torch.cat([torch.randperm(present, generator=stream("order")) for _ in range(passes)])
        losses, slow = [], _slow_weights(model, config)
        model.train()
        with _own_draws(config, epoch):
            batches = order.to(config.device).split(config.batch_size)[:steps]
            for step, rows in enumerate(batches, start=(epoch - 1) * steps + 1):
                optimizer.param_groups[0]["lr"] = _learning_rate(config, step / (steps * config.epochs))
                loss = loss_of(rows, epoch, stream)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                if config.gradient_clip:
                    _clip(model, config)
                optimizer.step()
                if slow and (step % 5 == 0 or step == epoch * steps):  # at an epoch's end too: nothing else to save
                    _look_back(model, slow, config.lookahead)
                losses.append(loss.detach())
        state.epoch, state.training_loss = epoch, _mean(losses, epoch, steps)
        yield state


def _loss_function(
    model: nn.Module, data: Data, noise: LabelNoise | None, distil: Distillation | None, config: TrialConfig
) -> Callable[[Tensor, int, Stream], Tensor]:
    """Return f(rows, epoch, stream) -> loss of the batch of these training images; each stream goes by its name."""
    interventions, penalties = build_interventions(config), build_penalties(config)
    forward = torch.compile(model) if config.compile else model
    layout = training_layout(model, config.device, config.memory_format)
    flips = None
    if config.alternating_flip and config.flip_crop:
        flips = torch.rand(len(data.train.labels), generator=_generator(config, 0, "flips")).to(config.device) < 0.5

    def loss_of(rows: Tensor, epoch: int, stream: Stream) -> Tensor:
        images = data.normalise(data.train.images[rows])
        if flips is not None:
            mirrored = flips[rows] ^ (epoch % 2 == 0)
            images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        targets = one_hot(data.train.labels[rows], data.num_classes).float()
        for name, intervene in interventions.items():
            images, targets = intervene(images, targets, stream(name))
        if noise is not None:
            targets = noise.apply(images, targets)
        images = images.contiguous(memory_format=layout)
        with torch.autocast(config.device, torch.bfloat16, enabled=config.precision == "bf16"):
            logits = forward(images)
            taught = targets if distil is None else distil(images, targets)
        loss = cross_entropy(logits.float(), taught)
        for name, penalty in penalties.items():  # in float32: rounding to bf16 is no variation to hold
            loss = loss + penalty(model, images, targets, stream(name))
        return loss

    return loss_of


def _mean(losses: list[Tensor], epoch: int, steps: int) -> float:
    finite = torch.stack(losses).isfinite()
    if not finite.all():
        first_bad = (epoch - 1) * steps + int(finite.int().argmin()) + 1
        raise Diverged(f"the loss is not finite from step {first_bad} on (epoch {epoch})")
    return torch.stack(losses).mean().item()


@contextmanager
def _own_draws(config: TrialConfig, epoch: int) -> Iterator[None]:
    """Give what the network itself draws (dropout, shaking) a stream: torch's global generators, put back after."""
    cuda = config.device == "cuda"
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if cuda else []):
        seed = derive_seed(*config.streams, "model noise", epoch)
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed(seed)
        yield


def _clip(model: nn.Module, config: TrialConfig) -> None:
    """Add SGD's weight decay to the gradient, then scale the whole to a norm of at most `gradient_clip`."""
    parameters = [p for p in model.parameters() if p.grad is not None]
    for p in parameters if config.optimizer == "sgd" else ():
        p.grad.add_(p.detach(), alpha=config.weight_decay)  # type: ignore[union-attr]
    nn.utils.clip_grad_norm_(parameters, config.gradient_clip)


def _generator(config: TrialConfig, epoch: int, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed(*config.streams, purpose, epoch))


def _learning_rate(config: TrialConfig, progress: float) -> float:
    """Return the rate of a step, after which `progress` of all are done: up a line, down a cosine."""
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    falling = (progress - config.warmup) / (1 - config.warmup)
    return 0.5 * config.learning_rate * (1 + math.cos(math.pi * falling))


def _averaged(model: nn.Module) -> list[Tensor]:
    """Return what Lookahead averages: parameters, and the statistics of batch norm."""
    return [value for value in model.state_dict().values() if value.is_floating_point()]


def _slow_weights(model: nn.Module, config: TrialConfig) -> list[Tensor]:
    return [value.clone() for value in _averaged(model)] if config.lookahead else []


@torch.no_grad()
def _look_back(model: nn.Module, slow: list[Tensor], share: float) -> None:
    """Go that share of the way back to the slow weights, which then are the same (Lookahead, Zhang et al. 2019)."""
    fast = _averaged(model)
    torch._foreach_lerp_(fast, slow, share)
    torch._foreach_copy_(slow, fast)
