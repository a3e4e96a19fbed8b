"""Reuse: what a run takes out of the cache instead of making it, and what it puts there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ontogeny.addresses.address import Addresses
from ontogeny.addresses.imports import Unaddressable
from ontogeny.cache import COHORT_BYTES, FAILURES, Member, MemberCache, cohort_of, split
from ontogeny.experiment import Experiment, Row, plain
from ontogeny.folder import Folder
from ontogeny.store import CohortStore, cohort_name
from ontogeny.trajectories import Trajectories

TAKEN = {"done": 1, "total": 1, "loss": None}  # the progress of a cohort out of the cache


class Reuse:
    """The cache as one run uses it. One that is to keep `weights` makes those members anew of which it has none."""

    def __init__(
        self,
        cache: MemberCache,
        study: str,
        experiments: Mapping[str, Experiment],
        device: torch.device,
        weights: bool = False,
    ) -> None:
        self.cache, self.study, self.experiments, self.device, self.weights = cache, study, experiments, device, weights
        self._addresses = Addresses(device)
        self._trajectories = Trajectories(cache, study, experiments, self._addresses)
        self._known: dict[tuple[str, str], list[str | None]] = {}
        self._said: set[str] = set()

    def addresses(self, name: str, rows: Sequence[Row], mode: str) -> list[str | None]:
        """The address of every row of an experiment; None, with a line that says why, for one that has none."""
        if (name, mode) not in self._known:
            self._known[name, mode] = [self._address(name, row, mode) for row in plain(rows)]
        return self._known[name, mode]

    def _address(self, name: str, row: Row, mode: str) -> str | None:
        try:
            return self._addresses.of(self.experiments[name], row, mode)
        except Unaddressable as error:
            if name not in self._said:
                self.cache.say(f"{name}: not cached, because {error}")
            self._said.add(name)
            return None

    def held(self, name: str, rows: Sequence[Row], mode: str) -> list[int]:
        """Indices of the rows that the cache seems to hold."""
        held = [i for i, address in enumerate(self.addresses(name, rows, mode)) if address and self.cache.has(address)]
        if self.weights and self.experiments[name].unmeasured() is not None:
            enough = set(self._trajectories.enough(name, rows, mode))
            held = [i for i in held if i in enough]
        return held

    def replayable(self, name: str, rows: Sequence[Row], mode: str) -> list[int]:
        """Indices of those that it does not hold, but whose weights are stored at every measured step."""
        held = set(self.held(name, rows, mode))
        return [i for i in self._trajectories.enough(name, rows, mode) if i not in held]

    def explain(self, name: str, rows: Sequence[Row], modes: Sequence[str], left: Sequence[int]) -> None:
        """Tells the user why rows are to be made although the cache holds something of their experiment."""
        if line := self._trajectories.explain(name, rows, modes, left):
            self.cache.say(line)
        elif self.weights and left:
            has = max(sum(bool(a and self.cache.has(a)) for a in self.addresses(name, rows, mode)) for mode in modes)
            if has:
                self.cache.say(f"{name}: {has} members in the cache are made again, for their weights were not kept")

    def compare(self, name: str, plan: Mapping[str, Any]) -> None:
        """Tells the user when a run was begun with other code than it goes on with."""
        now, begun = self.addresses(name, plan["rows"], plan["mode"]), plan.get("addresses")
        if begun and any(a and b and a != b for a, b in zip(now, begun, strict=True)):
            self.cache.say(f"{name}: not cached, because something has changed since this run was begun")

    def adopt(self, name: str, plan: Mapping[str, Any], members: Sequence[int], folder: Folder) -> list[list[int]]:
        """Writes those members that the cache holds into cohorts of their own, finished, after those that are planned.

        Gives the members of each cohort, and tells the user how many there are.
        """
        addresses = self.addresses(name, plan["rows"], plan["mode"])
        held = set(self.held(name, plan["rows"], plan["mode"]))
        cohorts: list[list[int]] = []
        for group in self._alike({i: address for i in members if i in held and (address := addresses[i])}):
            store = CohortStore(folder.inside(cohort_name(len(plan["cohorts"]) + len(cohorts))))
            store.commit(*cohort_of(list(group.values())))
            cohorts.append(list(group))
        if cohorts:
            taken = sum(len(group) for group in cohorts)
            self.cache.say(f"{name}: {taken} of {len(plan['rows'])} members from the cache")
        return cohorts

    def replay(self, name: str, plan: Mapping[str, Any], members: Sequence[int], folder: Folder) -> list[list[int]]:
        """Cohorts, as `adopt`, of the members that are measured in their stored weights; they are not finished yet."""
        return self._trajectories.adopt(name, plan, members, folder, self.device)

    def _alike(self, addresses: Mapping[int, str]) -> Iterator[dict[int, Member]]:
        """Members out of the cache in groups whose arrays can be joined."""
        groups: dict[str, dict[int, Member]] = {}
        for i, address in addresses.items():
            if (member := self.cache.take(address)) is None:
                continue
            kind = _shape(member)
            group = groups.setdefault(kind, {})
            group[i] = member
            if len(group) * member.bytes > COHORT_BYTES:
                yield groups.pop(kind)
        yield from groups.values()

    def keep(self, name: str, plan: Mapping[str, Any], index: int, store: CohortStore) -> None:
        """Puts the members of a cohort into the cache once it is finished, under the addresses it was begun with.

        Members whose address is another one by now (code was edited between two halves of a run) are not kept. Weights
        leave the run's folder.
        """
        members, begun = plan["cohorts"][index], plan.get("addresses")
        now = self.addresses(name, plan["rows"], plan["mode"])
        try:
            same = {i: address for i in members if begun and (address := now[i]) and address == begun[i]}
            wanted = {i: address for i, address in same.items() if not self.cache.has(address)}
            has_weights = plan.get("weights") or index in plan.get("replayed", ())
            if not (wanted or has_weights) or "finished" not in store.glance("finished"):
                return
            self._keep(name, plan, members, store, wanted)
            if plan.get("weights"):
                self._trajectories.keep(name, plan, index, store, list(same))
            if has_weights:
                store.drop_weights()
        except FAILURES as error:
            self.cache.close(f"{name} cannot be taken apart: {error}")

    def _keep(
        self, name: str, plan: Mapping[str, Any], members: Sequence[int], store: CohortStore, wanted: Mapping[int, str]
    ) -> None:
        """Puts some members of a finished cohort under their addresses."""
        state = store.state() if wanted and not self.cache.closed else None
        if state is None:
            return
        for i, member in zip(members, split(store.records(), state, len(members)), strict=True):
            if i in wanted:
                about = {"study": self.study, "experiment": name, "row": plan["rows"][i]}
                self.cache.put(wanted[i], member, about)


def _shape(member: Member) -> str:
    """What members must share to be joined: everything but the numbers in their arrays."""
    arrays = [
        [r.step, name, a.dims, [v for d, v in a.coords.items() if d != "member"], a.unit, _kind(a.values)]
        for r in member.records
        for name, a in r.values.items()
    ]
    state = [[name, _kind(v), None if v.ndim else v.item()] for name, v in member.state.items()]
    return json.dumps([arrays, state], default=list)


def _kind(values: Tensor) -> list[Any]:
    return [str(values.dtype), list(values.shape)]
