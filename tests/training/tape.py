"""A stand-in for the graph of a GPU.

It writes down the operations beneath autograd, with the tensors that they read and write, and does them again without a
line of Python in between, as a graph does. A number that is read from a tensor cannot be written down.
"""

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ontogeny.streams import Streams


class Tape(TorchDispatchMode):
    """Writes operations down."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, func, _types, args=(), kwargs=None):
        if func is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("operation not permitted when stream is capturing")
        results = func(*args, **(kwargs or {}))
        self.operations.append((func, args, kwargs or {}, results))
        return results

    def play(self):
        """Does them again: every result lands in the tensor that held it before."""
        with torch.no_grad():
            for func, args, kwargs, results in self.operations:
                for place, result in zip(tree_leaves(results), tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(place, torch.Tensor) and place.data_ptr() != result.data_ptr():
                        place.copy_(result)


def again(call):
    """A graph's stand-in: warms up, writes down, and does again."""
    call()
    tape = Tape()
    with tape:
        call()
    return tape.play


def as_on_a_gpu(monkeypatch):
    """Streams work with tensors, which a tape sees, and not with arrays; and tokens are not looked at."""
    numbers = Streams._numbers
    monkeypatch.setattr(Streams, "_numbers", lambda self, blocks: [torch.as_tensor(n) for n in numbers(self, blocks)])
    monkeypatch.setattr(torch, "aminmax", lambda tokens: (0, 0))
    monkeypatch.setattr(F, "one_hot", lambda x, classes: (x[..., None] == torch.arange(classes)).long())
