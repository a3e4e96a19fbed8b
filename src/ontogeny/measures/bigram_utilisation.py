"""Bigram utilisation: how much of what the order of a context tells is used."""

from jaxtyping import Float
from torch import Tensor

from ontogeny.measures.divergence import kl, mean_over


def bigram_utilisation(
    model: Float[Tensor, "*member context state"],
    model_shuffled: Float[Tensor, "*member context state"],
    reference: Float[Tensor, "*member context state"],
    reference_shuffled: Float[Tensor, "*member context state"],
) -> Float[Tensor, "*member"]:
    r"""How far shuffling the context moves a model, over how far it moves bigram inference.

    $$\frac{\mathrm{mean}_c \, \mathrm{KL}(M(c) \| M(\tilde c))}{\mathrm{mean}_c \, \mathrm{KL}(B(c) \| B(\tilde c))}$$

    with $\tilde c$ the context with all but its last state in another order. 0 for a model that only counts states or
    looks at the last one, 1 for bigram inference itself; above 1 where order moves a model even more. NaN where no
    shuffle changes the counts of pairs.

    Source: Park et al., arXiv 2412.01003.
    """
    return mean_over(kl(model, model_shuffled)) / mean_over(kl(reference, reference_shuffled))
