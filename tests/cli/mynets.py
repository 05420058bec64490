"""Networks of a user's own, named ``--model mynets:tiny``; copied into the folder the command runs in."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812  # torch's own name for it

NAMES = {"conv1": "1", "pool1": "2", "norm1": "3", "conv2": "5", "pool2": "6", "fc3": "9", "fc4": "10"}


def tiny():
    """Eleven layers for images of 32 x 32: 12 maps of 32, 12 of 15, 6 of 13, then 20 units and 10 scores."""
    net = nn.Sequential(
        nn.Conv2d(3, 12, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.LocalResponseNorm(3, alpha=1.0),
        nn.Conv2d(12, 6, 3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * 6 * 6, 20),
        nn.ReLU(inplace=True),
        nn.Linear(20, 10),
    )
    net.input_size = 32
    net.paper_names = NAMES
    net.categories = [f"class {i}" for i in range(10)]
    return net


def small(middle=None):
    """One convolution, then whatever is to be tried out."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), middle or nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU())
    net.input_size = 32
    return net


def smooth():
    """Has a rectifier that the deconvnet does not know."""
    return small(nn.GELU())


def dead():
    """Its last layer never fires."""
    net = small()
    nn.init.constant_(net[2].bias, -1e6)
    return net


def half_dead():
    """Two maps of its last layer never fire."""
    net = small()
    with torch.no_grad():
        net[2].bias[[1, 3]] = -1e6
    return net


def brightness():
    """One unit a pixel, which fires where that is brighter than the average photograph."""
    net = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False), nn.ReLU())
    nn.init.ones_(net[0].weight)
    net.input_size = 16
    return net


def reddish():
    """Its first score is how red the image's middle is; nothing moves its second."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2, bias=False))
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    with torch.no_grad():
        net[1].weight.zero_()
        net[1].weight[0, : 32 * 32] = torch.exp(-((rows - 15) ** 2 + (columns - 15) ** 2) / 40).flatten()
    net.input_size = 32
    net.categories = ["red", "nothing"]
    return net


class Functional(nn.Module):
    """Calls F.relu between its modules."""

    input_size = 32

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.ReLU()

    def forward(self, images):
        return self.last(self.second(F.relu(self.first(images))))


class Branching(Functional):
    """Adds a way around its second convolution."""

    def forward(self, images):
        maps = self.first(images)
        return self.last(self.second(F.pad(maps, (1, 1, 1, 1))) + maps.sum(1, keepdim=True))


class Residual(nn.Module):
    """Scores five classes without names; branches, and calls F.relu."""

    input_size = 32

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.scores = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 5)

    def forward(self, images):
        maps = F.relu(self.stem(images))
        return self.scores(F.relu(maps + self.conv(maps), inplace=True).mean((2, 3)))


class Labelling(Residual):
    """Gives its scores under a name."""

    def forward(self, images):
        return {"scores": super().forward(images)}


class Stumbling(nn.Module):
    """Gives no numbers in some of the passes that are differentiated, counted from one."""

    def __init__(self, first, last):
        super().__init__()
        self.first, self.last, self.passes = first, last, 0

    def forward(self, maps):
        self.passes += torch.is_grad_enabled()
        bad = torch.is_grad_enabled() and self.first <= self.passes <= self.last
        return maps * float("nan") if bad else maps


def stumbling():
    """Stumbles once."""
    return small(Stumbling(2, 2))


def falling():
    """Cannot be differentiated after its second pass."""
    return small(Stumbling(3, 10**9))


def twins():
    """Two of its classes share a name, others have letters that file names had better not."""
    net = Residual()
    net.categories = ["crane", "crane", "jack-o'-lantern / 猫", "..", "a long name " * 9]
    return net


def not_a_network():
    """Returns something else."""
    return 42


def fails():
    """Cannot be built."""
    raise ValueError("no such\nblueprint")
