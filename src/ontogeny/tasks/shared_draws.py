"""Shared draws: members of one seed draw the same numbers, which need to be drawn only once."""

from ontogeny.streams import Streams


def each_seed_once(streams: Streams) -> tuple[Streams, list[int]]:
    """Streams of the different seeds, and which of them each member has: `own.normal(...)[place]` is what all draw.

    Members that differ in other factors draw the same numbers, which are most of the cost of training small networks on
    many of them. It saves what the members of a cohort have in common: let the factor `seed` run slowest.
    """
    different = list(dict.fromkeys(streams.seeds))
    own = streams.take([streams.seeds.index(seed) for seed in different])
    return own, [different.index(seed) for seed in streams.seeds]
