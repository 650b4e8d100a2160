"""Small networks as people have them, for images of 8 x 8 in 3 classes; named on the command line by tests."""

import sys
from collections import namedtuple
from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.functional import dropout

Outputs = namedtuple("Outputs", "logits hidden")


def plain(width=4, classes=3, channels=3):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3), nn.BatchNorm2d(width), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes),
    )  # fmt: skip


class Changed(nn.Module):
    """The plain network, with what it is shown or what it gives changed by a function."""

    def __init__(self, after=lambda out: out, before=lambda images: images, **arguments):
        super().__init__()
        self.body, self.after, self.before = plain(**arguments), after, before

    def forward(self, images):
        return self.after(self.body(self.before(images)))


class Viewing(nn.Module):
    """As the tutorial's LeNet: `view` after a convolution."""

    def __init__(self, side=8, before=lambda images: images):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.side = nn.Conv2d(3, 2, 3), nn.Linear(2 * (side - 2) ** 2, 3), side
        self.before = before

    def forward(self, images):
        return self.head(self.conv(self.before(images)).view(-1, 2 * (self.side - 2) ** 2))


def softmax():
    return Changed(lambda out: out.softmax(1))


def log_softmax():
    return Changed(lambda out: out.log_softmax(1))


def sigmoid():
    return Changed(torch.sigmoid)


def always_dropping():
    return Changed(lambda out: dropout(out, 0.5, training=True))


def of_its_batch():
    return Changed(before=lambda images: images - images.mean(0))


def training_statistics():
    model = plain()
    model[1].track_running_stats, model[1].running_mean, model[1].running_var = False, None, None
    return model


def an_object():
    return Changed(lambda out: SimpleNamespace(logits=out, loss=None))


def a_named_tuple():
    return Changed(lambda out: Outputs(out, out @ out.new_ones(3, 7)))


def a_dict():
    return Changed(lambda out: {"pred": out})


def with_features():
    return Changed(lambda out: (out, out @ out.new_ones(3, 7)))


def two_heads():
    return Changed(lambda out: (out, -out))


def nothing_at_all():
    return Changed(lambda out: None)


def words():
    return Changed(lambda out: "cat")


def not_finite():
    return Changed(lambda out: out / 0)


def classes_alone():
    return Changed(lambda out: out.argmax(1))


def failing():
    return Changed(lambda out: out @ out.new_ones(5, 5))


def leaving():
    return Changed(lambda out: sys.exit(3))


def grey():
    return plain(channels=1)


def half():
    return plain().half()


def bfloat16():
    return plain().bfloat16()


def large():
    return Viewing(side=16)


def parallel():
    return nn.DataParallel(plain())


def compiled():
    return torch.compile(plain())


def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(3))


def without_weights():
    return Changed(lambda out: out)


def double():
    return plain().double()


def double_itself():
    model = Changed(before=lambda images: images.double())
    return model.double()


def writing_on_its_input():
    return Viewing(before=lambda images: images.sub_(0.3).mul_(1.2))


def writing_on_a_copy():
    return Viewing(before=lambda images: (images - 0.3) * 1.2)


def squeezing():
    return Changed(lambda out: out.unsqueeze(2).squeeze())


def noisy():
    return Changed(lambda out: out + 0.05 * torch.randn_like(out))


def a_map():
    return Changed(lambda out: out[:, :, None, None])


def whole_numbers():
    return Changed(lambda out: (100 * out).long())


def a_little_of_its_batch():
    return Changed(before=lambda images: images - 0.3 * images.mean(0))


class OfPixels(nn.Module):
    """A linear function of 64 pixels, which takes three channels as three images."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(64, 3)

    def forward(self, images):
        return self.head(images.reshape(-1, 64))


def rows_of_another_number():
    return Changed(lambda out: torch.cat([out, out]))


class Keeping(nn.Module):
    """A network that keeps a tensor it makes in its first answer."""

    def __init__(self):
        super().__init__()
        self.body, self.grid = plain(), None

    def forward(self, images):
        if self.grid is None:
            self.grid = torch.linspace(0.5, 1.5, images.shape[-1])
        return self.body(images * self.grid)


class LeavingLater(Keeping):
    """A network that ends the program, with status 0, in its tenth answer."""

    answers = 0

    def forward(self, images):
        self.answers += 1
        return sys.exit(0) if self.answers == 10 else super().forward(images)


def a_list():
    return [plain()]


def a_function():
    return lambda images: images


def needs_more(depth):
    return plain()


def fails_when_made():
    raise KeyError("depth")


def exits_when_made():
    sys.exit("no")


instance = plain()
