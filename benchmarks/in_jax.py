"""The same networks in JAX: `vmap` over models of a loop of updates, compiled, with AdamW written out."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import jax.numpy as jnp
import torch
from plain import DRAWN, HEADS, RATE, VOCABULARY, Size
from timing import Advance

DECAY, BETA1, BETA2, EPSILON = 0.01, 0.9, 0.999, 1e-8


def start(key, size: Size):
    def normal(*shape, scale):
        nonlocal key
        key, mine = jax.random.split(key)
        return scale * jax.random.normal(mine, shape)

    w = size.width

    def linear(inputs, outputs):
        return dict(w=normal(inputs, outputs, scale=inputs**-0.5), b=jnp.zeros(outputs))

    def norm():
        return dict(g=jnp.ones(w), b=jnp.zeros(w))

    token = normal(VOCABULARY, w, scale=0.1)
    if size.network == "MLP":
        inputs = [size.context * w, *[w] * (size.layers - 2)]
        return dict(token=token, hidden=[linear(n, w) for n in inputs], head=linear(w, VOCABULARY))
    if size.network == "RNN":
        layers = [dict(input=linear(w, w), hidden=linear(w, w)) for _ in range(size.layers)]
        return dict(token=token, layers=layers, head=linear(w, VOCABULARY))
    blocks = [
        dict(ln1=norm(), qkv=linear(w, 3 * w), out=linear(w, w), ln2=norm(), up=linear(w, 4 * w), down=linear(4 * w, w))
        for _ in range(size.layers)
    ]
    head = normal(w, VOCABULARY, scale=w**-0.5)
    return dict(token=token, place=normal(size.context, w, scale=0.1), blocks=blocks, ln=norm(), head=head)


def apply(p, x):
    return x @ p["w"] + p["b"]


def normed(p, x):
    centred = x - x.mean(-1, keepdims=True)
    return p["g"] * centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) + p["b"]


def attention(p, x):
    n, t, w = x.shape
    q, k, v = apply(p["qkv"], x).reshape(n, t, 3, HEADS, w // HEADS).transpose(2, 0, 3, 1, 4)
    scores = q @ k.swapaxes(-1, -2) * (w // HEADS) ** -0.5
    scores = jnp.where(jnp.tril(jnp.ones((t, t), bool)), scores, -jnp.inf)
    return apply(p["out"], (jax.nn.softmax(scores) @ v).swapaxes(1, 2).reshape(n, t, w))


def transformer(p, tokens):
    x = p["token"][tokens] + p["place"]
    for block in p["blocks"]:
        x = x + attention(block, normed(block["ln1"], x))
        x = x + apply(block["down"], jax.nn.gelu(apply(block["up"], normed(block["ln2"], x)), approximate=False))
    return normed(p["ln"], x) @ p["head"]


def rnn(p, tokens):
    x = p["token"][tokens].swapaxes(0, 1)
    for layer in p["layers"]:

        def step(h, driven, layer=layer):
            h = jnp.tanh(driven + apply(layer["hidden"], h))
            return h, h

        _, x = jax.lax.scan(step, jnp.zeros_like(x[0]), apply(layer["input"], x))
    return apply(p["head"], x.swapaxes(0, 1))


def mlp(p, tokens):
    x = p["token"][tokens].reshape(len(tokens), -1)
    for layer in p["hidden"]:
        x = jax.nn.relu(apply(layer, x))
    return apply(p["head"], x)


NETWORKS = {"transformer": transformer, "RNN": rnn, "MLP": mlp}


def loss(p, tokens, network):
    logits = jax.nn.log_softmax(NETWORKS[network](p, tokens[:, :-1]))
    targets = tokens[:, 1:] if logits.ndim == 3 else tokens[:, -1]
    return -jnp.take_along_axis(logits, targets[..., None], -1).mean()


def update(state, tokens, network):
    p, mean, square, count = state
    slope = jax.grad(loss)(p, tokens, network)
    count = count + 1
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, slope)
    square = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, square, slope)

    def moved(x, m, v):
        step = (m / (1 - BETA1**count)) / (jnp.sqrt(v / (1 - BETA2**count)) + EPSILON)
        return x * (1 - RATE * DECAY) - RATE * step

    return jax.tree.map(moved, p, mean, square), mean, square, count


@contextmanager
def through_scan(size: Size, members: int, device: torch.device) -> Iterator[Advance]:
    """`updates` in one compiled call, over batches that lie ready; a call's first time compiles it.

    On the device that JAX itself chooses: for a GPU install `jax[cuda12]`.
    """
    assert jax.default_backend() == ("gpu" if device.type == "cuda" else "cpu"), "JAX runs elsewhere"
    p = jax.jit(jax.vmap(lambda key: start(key, size)))(jax.random.split(jax.random.key(0), members))
    mean, square = (jax.tree.map(jnp.zeros_like, p) for _ in range(2))
    state = [(p, mean, square, jnp.zeros(members))]
    shape = (members, DRAWN, size.batch, size.context + 1)
    drawn = jax.random.randint(jax.random.key(1), shape, 0, VOCABULARY)

    def member(state, tokens, turns):
        return jax.lax.fori_loop(0, turns, lambda i, s: update(s, tokens[i % DRAWN], size.network), state)

    run = jax.jit(jax.vmap(member, in_axes=(0, 0, None)), donate_argnums=0)

    def advance(updates: int) -> None:
        state[0] = jax.block_until_ready(run(state[0], drawn, updates))

    yield advance
