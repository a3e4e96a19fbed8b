"""Oracle: `torch.nn.Embedding` with the same table."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.embedding import Embedding


def test_equals_torch(streams, below, same_as):
    ours = Embedding(streams, 11, 5)
    theirs = [torch.nn.Embedding(11, 5) for _ in range(3)]
    for i, single in enumerate(theirs):
        single.weight.data = ours.weight.data[i].clone()
    tokens = below(11, 3, 4, 7)
    same_as(ours, theirs, tokens, pairs={"weight": lambda g: g["weight"]})


@pytest.mark.parametrize("token", [-1, 11])
def test_a_token_outside_the_vocabulary_is_refused(token, streams):
    with pytest.raises(UserError, match="tokens are 0 to 10"):
        Embedding(streams, 11, 5)(torch.full((3, 2), token))
