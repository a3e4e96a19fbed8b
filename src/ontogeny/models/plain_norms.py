"""Plain norms: a transformer whose layer norms have neither gain nor bias."""

from ontogeny.models.layer_norm import LayerNorm
from ontogeny.models.transformer import Transformer, TransformerNetwork
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape


class PlainNorms(Transformer):
    """A `Transformer` whose norms only normalise: gains stay 1 and biases 0, and no decay touches them.

    Where weight decay is what is varied, a gain that decays with the other weights would be a second thing varied.
    """

    def build(self, shape: Shape, streams: Streams) -> TransformerNetwork:
        """The network, its norms without anything to learn.

        Raises: as `Transformer`.
        """
        network = super().build(shape, streams)
        for module in network.modules():
            if isinstance(module, LayerNorm):
                module.requires_grad_(False)
        return network
