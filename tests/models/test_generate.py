"""Oracles: the plain forward pass read again at every token, and softmax by hand."""

import pytest
import torch

from ontogeny.errors import UserError
from ontogeny.models.generate import Continuation, complete, generate, greedy, sampled
from ontogeny.models.mlp import MLP
from ontogeny.models.population import Population
from ontogeny.models.transformer import Transformer
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

SHAPE = Shape(vocabulary=7, outputs=7, length=9)
VARIANTS = {
    "default": {},
    "rotary": dict(positions="rotary"),
    "sinusoidal": dict(positions="sinusoidal"),
    "no positions": dict(positions="none"),
    "post-norm, tied": dict(norm="post", tied=True),
    "attention only": dict(mlp=0, norm="none"),
}


def grown(members=(3, 4, 5), **fields):
    model = Transformer(layers=2, width=12, heads=2, **fields)
    population = Population(model.build(SHAPE, Streams(members).of("init")))
    population.flat += 0.3 * Streams(members).normal("shake", (population.flat.shape[1],))
    return population


def prompts(members=(3, 4, 5), samples=6, length=4):
    return Streams(members).integers("prompts", (samples, length), 7)


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_reading_in_pieces_is_reading_at_once(fields):
    population, tokens = grown(**fields), prompts(length=9)
    whole = population(tokens)
    continuation = Continuation(population)
    pieces = [continuation.read(tokens[..., a:b]) for a, b in ((0, 4), (4, 5), (5, 8), (8, 9))]
    torch.testing.assert_close(torch.cat(pieces, 2), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_branches_go_on_from_what_was_read(fields):
    population, tokens = grown(**fields), prompts(length=4)
    others = Streams((3, 4, 5)).integers("others", (18, 3), 7)  # three branches of every prompt
    continuation = Continuation(population)
    continuation.read(tokens)
    branches = continuation.branch(3)
    read = branches.read(others)
    whole = population(torch.cat([tokens.repeat_interleave(3, 1), others], -1))[:, :, 4:]
    torch.testing.assert_close(read, whole, rtol=1e-4, atol=1e-5)
    again = continuation.read(others[:, ::3])  # the stem is left as it was
    torch.testing.assert_close(again, whole[:, ::3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_the_last_outputs_of_a_piece_are_those_of_the_whole(fields):
    population, tokens = grown(**fields), prompts(length=9)
    whole = population(tokens)
    continuation = Continuation(population)
    for last, (a, b) in ((1, (0, 4)), (2, (4, 8)), (1, (8, 9))):
        read = continuation.read(tokens[..., a:b], last)
        torch.testing.assert_close(read, whole[:, :, b - last : b], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", [0, 4, 8])
@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_a_fork_is_what_each_of_its_tokens_would_be_followed_by(fields, first):
    population, tokens = grown(**fields), prompts(length=9)
    options = Streams((3, 4, 5)).integers("options", (6, 5), 7)
    continuation = Continuation(population)
    if first:
        continuation.read(tokens[..., :first])
    found = continuation.fork(options)
    for i in range(5):
        alone = torch.cat([tokens[..., :first], options[..., i : i + 1]], -1)
        torch.testing.assert_close(found[:, :, i], population(alone)[:, :, -1], rtol=1e-4, atol=1e-5)
    left = continuation.read(tokens[..., first:])  # it goes on as if nobody had asked
    torch.testing.assert_close(left, population(tokens)[:, :, first:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS)
def test_greedy_generation_is_the_argmax_of_the_plain_forward_pass(fields):
    population, tokens = grown(**fields), prompts()
    found = generate(population, tokens, 5)
    for i in range(5):
        expected = population(tokens)[:, :, -1].argmax(-1)
        assert torch.equal(found[..., i], expected)
        tokens = torch.cat([tokens, found[..., i : i + 1]], -1)


@pytest.mark.parametrize("samples", [1, 6])
def test_a_member_is_the_same_alone_and_in_company(samples):
    every = generate(grown(), prompts(samples=samples), 5, sampled(Streams((3, 4, 5)), 0.7))
    continuation = Continuation(grown())
    outputs = continuation.read(prompts(samples=samples))
    forked, last = continuation.fork(prompts(samples=samples)), continuation.read(prompts(samples=samples), 1)
    for few in (slice(1, 2), slice(0, 2)):
        members = (3, 4, 5)[few]
        continuation = Continuation(grown(members))
        own = prompts(members, samples)
        assert torch.equal(continuation.read(own), outputs[few])
        assert torch.equal(continuation.fork(own), forked[few])
        assert torch.equal(continuation.read(own, 1), last[few])
        assert torch.equal(generate(grown(members), own, 5, sampled(Streams(members), 0.7)), every[few])


def test_sampling_follows_softmax_at_its_temperature(seed):
    logits = torch.tensor([[1.0, 0.0, -1.0]]).expand(1, 20_000, 3)
    for heat in (0.5, 1.0, 2.0):
        drawn = sampled(Streams((seed,)), heat)(logits, 0)
        law = torch.softmax(logits[0, 0] / heat, -1)
        share = torch.bincount(drawn[0], minlength=3) / 20_000
        assert (share - law).abs().max() < 4 * 0.5 / 20_000**0.5
    mixed = torch.tensor([0.0, 1.0]).repeat(10_000)
    drawn = sampled(Streams((seed,)), mixed)(logits, 0)[0]
    assert (drawn[::2] == 0).all()  # no temperature: the most probable
    assert (drawn[1::2] != 0).any()
    again = sampled(Streams((seed,)), mixed)(logits, 1)[0]
    assert not torch.equal(again, drawn)  # every token has its own draw


def test_prompts_of_different_lengths_are_completed_as_each_would_be_alone(seed):
    population, tokens = grown(), prompts(length=9)
    given = Streams((seed, seed, seed)).integers("given", (6,), 4) + 3
    kept = tokens.clone()
    filled = complete(population, tokens, given, 3)
    assert torch.equal(tokens, kept)
    for many in range(3, 7):
        here = given == many
        alone = torch.cat([tokens[..., :many], generate(population, tokens[..., :many], 9 - many)], -1)
        assert torch.equal(filled[here], alone[here])
    assert torch.equal(complete(population, tokens, torch.full_like(given, 9), 2), tokens)


def test_sites_are_seen_and_edited():
    population, tokens = grown(), prompts()
    plain = generate(population, tokens, 3)
    with population.edit({"blocks.1.hook_out": torch.zeros_like}):
        edited = generate(population, tokens, 3)
        assert torch.equal(edited[..., 0], population(tokens)[:, :, -1].argmax(-1))
    assert not torch.equal(edited, plain)
    assert torch.equal(generate(population, tokens, 3), plain)


def test_edits_reach_a_fork():
    population, tokens = grown(), prompts(length=5)
    plain = Continuation(population)
    plain.read(tokens)
    unedited = plain.fork(tokens)
    for site in ("blocks.1.attn.hook_z", "blocks.0.hook_mid", "blocks.0.attn.hook_v"):
        with population.edit({site: torch.zeros_like}):
            continuation = Continuation(population)
            continuation.read(tokens)
            found = continuation.fork(tokens)
            assert not torch.equal(found, unedited)
            branched = continuation.branch(5).read(tokens.flatten(1)[..., None])[:, :, 0].unflatten(1, (-1, 5))
            torch.testing.assert_close(found, branched, rtol=1e-4, atol=1e-5)


def test_what_cannot_generate_says_so():
    full = Continuation(grown())
    full.read(prompts(length=9), 1)
    with pytest.raises(UserError, match="a sequence of 10 positions in a network built for 9"):
        full.fork(prompts())
    with pytest.raises(UserError, match="built for 9"):
        generate(grown(), prompts(length=7), 4)
    assert generate(grown(), prompts(length=7), 3).shape == (3, 6, 3)
    with pytest.raises(UserError, match="causal Transformer"):
        generate(grown(causal=False), prompts(), 1)
    network = MLP(layers=2, width=4).build(Shape(features=3, outputs=1), Streams((1,)))
    with pytest.raises(UserError, match="got MLPNetwork"):
        generate(Population(network), prompts((1,)), 1)
    assert greedy(torch.tensor([[[0.0, 2.0, 2.0]]]), 0).item() == 1
