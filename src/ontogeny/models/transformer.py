"""Transformer: a GPT-style population, with the usual choices of positions, norms and branches."""

from collections.abc import Callable
from functools import partial
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models.attention import Attention
from ontogeny.models.contract import Model
from ontogeny.models.embedding import Embedding
from ontogeny.models.layer_norm import LayerNorm
from ontogeny.models.linear import Linear
from ontogeny.models.mlp import MLPBranch, check_activation
from ontogeny.models.positions import Learned, Rotary, Sinusoidal
from ontogeny.models.sites import Site
from ontogeny.models.stacked import affine
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

EMBEDDING = 0.1  # standard deviation of embeddings at the start


class Transformer(Model):
    """A transformer that reads tokens (or feature vectors, through a linear map) and answers at every position.

    Initial weights are N(0, 1 / fan_in), the output maps of both branches divided by sqrt(2 layers), embeddings
    N(0, 0.1^2), the unembedding N(0, 0.25 / width), biases 0 and gains 1; `init_scale` multiplies all that is drawn.
    """

    layers: int = 2
    width: int = 64
    heads: int = 2
    mlp: int | None = None  # units of the MLP branch: 4 * width unless set; 0 makes an attention-only transformer
    positions: Literal["learned", "sinusoidal", "rotary", "none"] = "learned"
    norm: Literal["pre", "post", "none"] = "pre"  # "pre" ends with a norm of its own
    causal: bool = True
    tied: bool = False  # the unembedding is the embedding, transposed
    activation: str = "gelu"
    bias: bool = True  # in all linear maps but the unembedding, and in norms
    context: int | None = None  # longest sequence: the task's length unless set
    rotary_base: float = 10_000.0
    init_scale: PerMember = 1.0

    def check(self) -> None:
        """Sizes that fit each other and known names."""
        for name, least in dict(layers=0, width=1, heads=1, mlp=0, context=1).items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"Transformer: {name} is {least} or more, got {value}")
        for name, known in dict(
            positions=("learned", "sinusoidal", "rotary", "none"), norm=("pre", "post", "none")
        ).items():
            if getattr(self, name) not in known:
                raise UserError(f"Transformer: {name} is one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.width % self.heads:
            raise UserError(f"Transformer: width {self.width} is not divisible by {self.heads} heads: change either")
        if self.positions == "rotary" and self.width // self.heads % 2:
            raise UserError(
                f"Transformer: rotary positions need an even head size, got {self.width} / {self.heads} = "
                f"{self.width // self.heads}"
            )
        check_activation("Transformer", self.activation)

    @property
    def hidden(self) -> int:
        """Units of the MLP branch, 0 for none."""
        return 4 * self.width if self.mlp is None else self.mlp

    def build(self, shape: Shape, streams: Streams) -> "TransformerNetwork":
        """The network for a task of this shape.

        Raises: `UserError` for a task without tokens or features, of unknown length, or one that cannot be tied.
        """
        if shape.vocabulary is None and shape.features is None:
            raise UserError("Transformer: the task has neither a vocabulary nor features: give its Shape one of them")
        if self.context is None and shape.length is None:
            raise UserError("Transformer: the task does not say how long its samples are: set context")
        if self.tied and shape.vocabulary != shape.outputs:
            raise UserError(
                f"Transformer: tied needs as many outputs as tokens, got {shape.outputs} outputs and a vocabulary of "
                f"{shape.vocabulary}: set tied=False"
            )
        return TransformerNetwork(self, shape, streams)


class TransformerNetwork(nn.Module):
    """A stacked transformer.

    Sites: `hook_embed`, `hook_pos_embed`, `blocks.0.hook_in`, `hook_mid` and `hook_out`; `blocks.0.attn.hook_q`, `_k`,
    `_v`, `_rot_q`, `_rot_k`, `_attn_scores`, `_pattern`, `_z` and `_out`; `blocks.0.mlp.hook_pre`, `_post` and `_out`;
    `blocks.0.ln1.hook_normalized`, `blocks.0.ln2.hook_normalized`, `ln_final.hook_normalized`.
    """

    def __init__(self, model: Transformer, shape: Shape, streams: Streams) -> None:
        super().__init__()
        context, width, scale = model.context or shape.length, model.width, model.init_scale
        assert context is not None
        self.model, self.shape, self.context = model, shape, context
        if shape.vocabulary is not None:
            self.embed = Embedding(streams.of("embed"), shape.vocabulary, width, deviation=EMBEDDING, scale=scale)
        else:
            assert shape.features is not None
            self.embed = Linear(streams.of("embed"), shape.features, width, bias=model.bias, scale=scale)
        self.positions: nn.Module | None = None
        if model.positions == "learned":
            self.positions = Learned(streams.of("positions"), context, width, deviation=EMBEDDING, scale=scale)
        elif model.positions == "sinusoidal":
            self.positions = Sinusoidal(context, width, deviation=EMBEDDING, device=streams.device)
        self.blocks = nn.ModuleList(Block(streams.of(f"blocks.{i}"), model, context) for i in range(model.layers))
        self.ln_final = LayerNorm(streams, width, bias=model.bias) if model.norm == "pre" else None
        self.unembed: Linear | None = None
        if not model.tied:
            self.unembed = Linear(
                streams.of("unembed"), width, shape.outputs, bias=False, deviation=0.5 * width**-0.5, scale=scale
            )
        self.hook_embed, self.hook_pos_embed = Site(), Site()

    def forward(self, inputs: Tensor, since: int = 0) -> Float[Tensor, "member sample asked output"]:
        """Outputs for tokens `[member, sample, position]` or features `[member, sample, position, feature]`.

        They are those of the positions from `since` on. The last block leaves out what only earlier ones need, and its
        sites see as much.

        Raises: `UserError` for more positions than the network was built for.
        """
        length = inputs.shape[2]
        if length > self.context:
            raise UserError(
                f"Transformer: a sequence of {length} positions in a network built for {self.context}: set context"
            )
        x = self.hook_embed(self.embed(inputs))
        if self.positions is not None:
            x = x + self.hook_pos_embed(self.positions(length)[:, None].expand_as(x))
        return self.onward(x, 0, since)

    def onward(
        self, x: Float[Tensor, "member sample position width"], block: int, since: int = 0
    ) -> Float[Tensor, "member sample asked output"]:
        """Outputs for the stream as it enters block `block`, counted from 0, or, with their number, as it leaves.

        What `hook_in` of a block sees gives the outputs of the whole network, bit for bit. So what is changed halfway
        through a network is read without the work before it.
        """
        blocks = self.blocks[block:]
        for each in blocks[:-1]:
            x = each(x)
        x = blocks[-1](x, since) if blocks else x[:, :, since:]
        if self.ln_final is not None:
            x = self.ln_final(x)
        return self.unembed(x) if self.unembed is not None else affine(x, self.embed.weight.mT)


class Block(nn.Module):
    """Attention, then an MLP, each added to the stream that runs through."""

    def __init__(self, streams: Streams, model: Transformer, context: int) -> None:
        super().__init__()
        width, hidden, bias, scale = model.width, model.hidden, model.bias, model.init_scale
        shrink = (2 * model.layers) ** -0.5
        rotary = None
        if model.positions == "rotary":
            rotary = Rotary(context, width // model.heads, base=model.rotary_base, device=streams.device)
        self.attn = Attention(
            streams.of("attn"),
            width,
            model.heads,
            context,
            causal=model.causal,
            bias=bias,
            rotary=rotary,
            output_deviation=shrink * width**-0.5,
            scale=scale,
        )
        self.mlp: MLPBranch | None = None
        if hidden:
            self.mlp = MLPBranch(
                streams.of("mlp"),
                width,
                hidden,
                activation=model.activation,
                bias=bias,
                output_deviation=shrink * hidden**-0.5,
                scale=scale,
            )
        normed = model.norm != "none"
        self.ln1 = LayerNorm(streams, width, bias=bias) if normed else None
        self.ln2 = LayerNorm(streams, width, bias=bias) if normed and hidden else None
        self.add = _add_normed if model.norm == "post" else _add
        self.hook_in, self.hook_mid, self.hook_out = Site(), Site(), Site()

    def forward(
        self, x: Float[Tensor, "member sample position width"], since: int = 0
    ) -> Float[Tensor, "member sample asked width"]:
        """The stream after both branches, at the positions from `since` on."""
        x = self.add(self.hook_in(x), partial(self.attn, since=since), self.ln1)
        if self.mlp is not None:
            x = self.add(self.hook_mid(x), self.mlp, self.ln2)
        return self.hook_out(x)

    def after_writing(
        self, mid: Float[Tensor, "member sample position width"], written: Float[Tensor, "member sample position width"]
    ) -> Float[Tensor, "member sample position width"]:
        """The stream after the block, were `written` what its MLP writes; `mid` is the stream as `hook_mid` sees it."""
        return self.hook_out(self.add(mid, lambda _: written, self.ln2))


def _add(x: Tensor, branch: Callable[[Tensor], Tensor], norm: LayerNorm | None) -> Tensor:
    added = branch(x if norm is None else norm(x))
    return x[:, :, -added.shape[2] :] + added


def _add_normed(x: Tensor, branch: Callable[[Tensor], Tensor], norm: LayerNorm | None) -> Tensor:
    assert norm is not None
    added = branch(x)
    return norm(x[:, :, -added.shape[2] :] + added)
