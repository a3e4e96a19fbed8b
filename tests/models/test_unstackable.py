"""Each thing that a module cannot do: one line that names it, the place, and what to do."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ontogeny.errors import UserError
from ontogeny.models.population import Population


class After(nn.Module):
    """A linear map, and then something."""

    def __init__(self, then, *parts):
        super().__init__()
        self.map = nn.Linear(4, 3)
        self.parts = nn.ModuleList(parts)
        self.then = then

    def forward(self, x):
        return self.then(self, self.map(x))


def branch(_m, x):
    return x if x.sum() > 0 else -x


def shared(_m, x):
    sums = torch.zeros(x.shape)
    sums += x
    return sums


class Counted(nn.Module):
    def __init__(self, in_place):
        super().__init__()
        self.map, self.in_place = nn.Linear(4, 3), in_place
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        if self.in_place:
            self.seen += 1
        else:
            self.seen = self.seen + 1
        return self.map(x)


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, slope):
        return slope * 2


def sequence(kind):
    return lambda: After(lambda m, x: m.parts[0](x[:, None])[0], kind(3, 3, batch_first=True))


IN_FORWARD = {
    "a branch": (lambda: After(branch), r"After \(test_unstackable.py, line \d+\) branches .* torch.where"),
    "a number": (lambda: After(lambda _, x: x * x.sum().item()), r"\.item\(\).*keep it a tensor"),
    "a float": (lambda: After(lambda _, x: x * float(x.sum())), r"float\(\).*keep it a tensor"),
    "a selection": (lambda: After(lambda _, x: x[x > 0]), "mask instead of selecting"),
    "dropout": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.1)), r"Sequential draws random .*p=0"),
    "noise": (lambda: After(lambda _, x: x + torch.rand_like(x)), "draws random numbers"),
    "running statistics": (
        lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), "track_running_stats=False, or return"),
    "instance statistics": (
        lambda: After(lambda m, x: m.parts[0](x[:, None]), nn.InstanceNorm1d(1, track_running_stats=True)), "running"),
    "a count": (lambda: Counted(True), "Counted changes a parameter or buffer"),
    "another count": (lambda: Counted(False), "Counted changes a parameter or buffer"),
    "spectral norm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)), "changes a parameter"),
    "a GRU": (sequence(nn.GRU), "calls gru, .* GRUCell"),
    "an LSTM": (sequence(nn.LSTM), "calls lstm, .* GRUCell"),
    "an RNN": (sequence(nn.RNN), "calls rnn_tanh, .* RNNCell"),
    "a shared tensor": (lambda: After(shared), "x.new_zeros"),
    "a function without a rule": (lambda: After(lambda _, x: Own.apply(x)), "generate_vmap_rule = True"),
    "NumPy": (lambda: After(lambda _, x: torch.as_tensor(x.detach().numpy())), "works for one network, but"),
    "two outputs": (lambda: After(lambda _, x: (x, x)), "gives a tuple, not a tensor"),
    "another size": (lambda: nn.Linear(5, 3), r"Linear fails on inputs of shape \[5, 4\]: RuntimeError: mat1"),
    "its own mistake": (lambda: After(lambda m, x: m.absent), r"line \d+\) fails on inputs .* no attribute 'absent'"),
    "an unused parameter": (lambda: After(lambda _, x: x, nn.Linear(1, 1)), "parts.0.weight, parts.0.bias"),
}  # fmt: skip


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("name", IN_FORWARD)
def test_what_forward_may_not_do(name, members):
    factory, says = IN_FORWARD[name]
    population = Population.from_module(factory, members=members)
    with pytest.raises(UserError, match=says) as caught:
        population.backward(population(torch.ones(members, 5, 4)).flatten(1).sum(1))
    assert "\n" not in str(caught.value)


class Changing(nn.Module):
    def __init__(self):
        super().__init__()
        self.map = nn.Linear(4, 3 if torch.rand(()) < 0.5 else 2)


class Unregistered(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.inner.signs = torch.rand(3)


AT_BUILD = {
    "a number": (lambda: 3, "the factory makes modules, got a int"),
    "nothing to learn": (nn.ReLU, "ReLU has no parameter that learns"),
    "lazy": (lambda: nn.LazyLinear(3), "LazyLinear: the size of weight is not known"),
    "mixed": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3).double()), "one dtype, got torch.float32"),
    "elsewhere": (lambda: nn.Linear(4, 3, device="meta"), "weight was made on meta: make it on the CPU"),
    "another every time": (Changing, "Changing: the factory makes other parameters every time"),
    "a drawn tensor": (Unregistered, "Unregistered draws inner.signs, .* register_buffer"),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_BUILD)
def test_what_a_factory_may_not_make(name):
    factory, says = AT_BUILD[name]
    with pytest.raises(UserError, match=says):
        Population.from_module(factory, members=8)


def test_in_evaluation_mode_dropout_and_statistics_stand():
    module = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    population = Population.from_module(lambda: module.eval(), members=2)
    x = torch.ones(2, 5, 4)
    y = population(x)
    assert torch.equal(population(x), y)
    torch.testing.assert_close(y[1], F.linear(x[1], *population.member(1)[0].parameters()) * (1 + 1e-5) ** -0.5)


def test_memory_that_is_not_there_is_not_the_modules_fault():
    def full(_m, x):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        Population.from_module(lambda: After(full), members=2)(torch.ones(2, 5, 4))
