"""Generation: all members continue all their prompts at once, with the keys and values of earlier positions kept."""

import copy
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models.attention import Attention
from ontogeny.models.population import Population
from ontogeny.models.stacked import affine, matmul
from ontogeny.models.transformer import Block, TransformerNetwork
from ontogeny.streams import Streams

Choose = Callable[[Float[Tensor, "member sample output"], int], Int[Tensor, "member sample"]]
"""From the logits of the next token, and its number counted from 0, to the token."""


def greedy(logits: Float[Tensor, "member sample output"], number: int) -> Int[Tensor, "member sample"]:
    """The most probable token, the first of equals."""
    return logits.argmax(-1)


def sampled(streams: Streams, temperature: float | Tensor = 1.0) -> Choose:
    """Draws tokens from softmax(logits / temperature); a temperature of 0 takes the most probable one.

    `temperature` is a number or a tensor that broadcasts to `[member, sample]`.
    """

    def choose(logits: Float[Tensor, "member sample output"], number: int) -> Int[Tensor, "member sample"]:
        heat = torch.as_tensor(temperature, dtype=torch.float64, device=logits.device)
        heat = heat.expand(logits.shape[:2])[..., None]
        law = torch.softmax(logits.double() / heat.where(heat > 0, 1.0), -1)
        drawn = streams.categorical(f"token {number}", logits.shape[1:2], law)
        return torch.where(heat[..., 0] > 0, drawn, logits.argmax(-1))

    return choose


def refusal(network: nn.Module) -> str | None:
    """What a network would have to be for a `Continuation`, and is not; None for one that can be continued."""
    if not isinstance(network, TransformerNetwork) or not network.model.causal or network.shape.vocabulary is None:
        return (
            f"a causal Transformer that reads tokens, got {type(network).__name__}: "
            "train one with causal=True on a task with a vocabulary"
        )
    if any(isinstance(block, Block) and block.attn.shift is not None for block in network.blocks):
        return "keys that are not mixed with those before, or they cannot be kept: use a Transformer"
    return None


class Continuation:
    """A population of causal transformers part of the way through its sequences.

    `read` takes the tokens that come next and gives the outputs there: what the network gives at those positions when
    it reads the whole sequence at once, to rounding. Sites see the positions that are read and no earlier ones.

    Raises: `UserError` for anything but a causal transformer that reads tokens.
    """

    def __init__(self, population: Population) -> None:
        network = population.network
        if why := refusal(network):
            raise UserError(f"generation needs {why}")
        assert isinstance(network, TransformerNetwork)
        self.network = network
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.length = 0

    def read(
        self, tokens: Int[Tensor, "member sample position"], last: int | None = None
    ) -> Float[Tensor, "member sample asked output"]:
        """Outputs at some more positions, or at the `last` of them.

        Then the last block leaves out what only earlier ones need, and its sites see as much.

        Raises: `UserError` for more positions than the network was built for.
        """
        outputs = self._outputs(tokens, last or tokens.shape[2])
        self.length += tokens.shape[2]
        return outputs

    def fork(self, options: Int[Tensor, "member sample option"]) -> Float[Tensor, "member sample option output"]:
        """Outputs at the next position, were each of some tokens there; the continuation is left as it is.

        What `branch` and `read` give, to rounding, without copies of what is kept. Sites see the same as there, but for
        scores and pattern: options stand side by side in them, as positions that look at themselves and what is kept.

        Raises: `UserError` for more positions than the network was built for.
        """
        each = options.shape[2]
        return self._outputs(options.flatten(1)[..., None], 1, each)[:, :, 0].unflatten(1, (-1, each))

    def branch(self, times: int) -> "Continuation":
        """As many copies of every sample, next to each other, to be continued each in its own way.

        The continuation that is branched is left as it is, and can be read on or branched again.
        """
        other = copy.copy(self)
        other.kept = {
            layer: (self._repeated(k, times), self._repeated(v, times)) for layer, (k, v) in self.kept.items()
        }
        return other

    def _repeated(self, kept: Tensor, times: int) -> Tensor:
        """Kept keys or values `[member * sample * head, position, size]` with every sample several times."""
        rows = kept.view(-1, self.network.model.heads, *kept.shape[1:])
        return rows.repeat_interleave(times, 0).flatten(0, 1)

    def _outputs(self, tokens: Tensor, last: int, options: int | None = None) -> Tensor:
        """Outputs for the `last` of some tokens. With `options` so many samples after each other share what is kept."""
        network, length = self.network, self.length + tokens.shape[2]
        if length > network.context:
            raise UserError(f"a sequence of {length} positions in a network built for {network.context}: set context")
        x = network.hook_embed(network.embed(tokens))
        if network.positions is not None:
            x = x + network.hook_pos_embed(network.positions(length)[:, None, self.length :].expand_as(x))
        for i, block in enumerate(network.blocks):
            assert isinstance(block, Block)
            since = x.shape[2] - last if i == len(network.blocks) - 1 else 0
            x = block.add(block.hook_in(x), partial(self._attend, i, block.attn, since, options), block.ln1)
            if block.mlp is not None:
                x = block.add(block.hook_mid(x), block.mlp, block.ln2)
            x = block.hook_out(x)
        x = x[:, :, -last:]  # where there is no block
        if network.ln_final is not None:
            x = network.ln_final(x)
        return network.unembed(x) if network.unembed is not None else affine(x, network.embed.weight.mT)

    def _attend(self, layer: int, attn: Attention, since: int, options: int | None, x: Tensor) -> Tensor:
        """What `Attention` gives for the new positions from `since` on, which look at the kept ones too."""
        first, length = self.length, x.shape[2]
        q, k, v = attn.queries_keys_values(x, since)
        q, k, v = attn.hook_q(q), attn.hook_k(k), attn.hook_v(v)
        if attn.rotary is not None:
            q, k = attn.hook_rot_q(attn.rotary(q, first + since)), attn.hook_rot_k(attn.rotary(k, first))
        if options is not None:
            q, k, v = (y.reshape(len(y), -1, options, *y.shape[3:]) for y in (q, k, v))
        members, samples, asked, heads, size = q.shape
        q, k, v = (y.transpose(2, 3).reshape(-1, y.shape[2], size) for y in (q, k, v))
        if layer in self.kept:
            k, v = (torch.cat([old, new], 1) for old, new in zip(self.kept[layer], (k, v), strict=True))
        assert attn.mask is not None
        if options is None:
            self.kept[layer] = k, v
            mask = attn.mask[:, first + since : first + length, : first + length]
        else:
            mask = F.pad(attn.mask.new_full((options, options), -torch.inf).fill_diagonal_(0.0), (first, 0))[None]
        scores = matmul(q, k.mT, plus=mask, scale=size**-0.5)
        scores = attn.hook_attn_scores(scores.view(members, samples, heads, asked, -1))
        pattern = attn.hook_pattern(torch.softmax(scores, -1))
        z = matmul(pattern.flatten(0, 2), v).view(members, samples, heads, asked, size).transpose(2, 3)
        z = attn.hook_z(z.reshape(*x.shape[:2], -1, heads, size))
        return attn.hook_out(attn.output(z.flatten(-2)))


@torch.no_grad()
def generate(
    population: Population, prompts: Int[Tensor, "member sample position"], length: int, choose: Choose = greedy
) -> Int[Tensor, "member sample length"]:
    """`length` more tokens after each prompt, each chosen from what the network expects after those before it.

    All prompts are of one length and may differ between members. Nothing stops at an end token: what follows it is
    for the caller to cut.

    Raises: `UserError` for anything but a causal transformer that reads tokens, or too long a sequence for it.
    Cost: one forward pass over the prompts and the tokens generated.
    """
    continuation = Continuation(population)
    tokens, found = prompts, []
    for number in range(length):
        tokens = choose(continuation.read(tokens)[:, :, -1], number)[..., None]
        found.append(tokens)
    return torch.cat(found, -1)


@torch.no_grad()
def complete(
    population: Population,
    tokens: Int[Tensor, "member sample position"],
    given: Int[Tensor, "member sample"],
    first: int,
    choose: Choose = greedy,
) -> Int[Tensor, "member sample position"]:
    """The sequences with all but their first `given` tokens chosen by the network, for prompts of different lengths.

    What `tokens` holds after the given ones is ignored; `first` is the least number that is given to any sample.

    Raises: `UserError` for anything but a causal transformer that reads tokens, or too long a sequence for it.
    Cost: one forward pass, the first positions at once and then one by one.
    """
    continuation = Continuation(population)
    filled = tokens.clone()
    read = tokens[..., :first]
    for place in range(first, tokens.shape[-1]):
        chosen = choose(continuation.read(read)[:, :, -1], place)
        filled[..., place] = torch.where(place < given, tokens[..., place], chosen)
        read = filled[..., place : place + 1]
    return filled
