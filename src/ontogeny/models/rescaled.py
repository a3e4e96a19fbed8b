"""Rescaled: a model some of whose weights start larger or smaller than it would draw them."""

import torch
from torch import nn

from ontogeny.errors import UserError, nearest
from ontogeny.models.contract import Model
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class Rescaled(Model):
    """`model` with the named parameters multiplied at the start: `times={"embed.weight": 10.0}`.

    Names are those of the network's parameters; the draws are the model's own.
    """

    model: Model
    times: dict[str, float]

    def build(self, shape: Shape, streams: Streams) -> nn.Module:
        """The model's network, rescaled.

        Raises: `UserError` for a name that is no parameter of the network, and whatever the model raises.
        """
        network = self.model.build(shape, streams)
        known = dict(network.named_parameters())
        for name, factor in self.times.items():
            if name not in known:
                raise UserError(f"no parameter {name!r} to rescale: {nearest(name, known)}")
            with torch.no_grad():
                known[name].mul_(factor)
        return network
