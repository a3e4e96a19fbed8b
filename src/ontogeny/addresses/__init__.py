"""Addresses: what determines the numbers of a member, as one digest."""
