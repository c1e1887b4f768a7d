"""What a store holds, collection by collection, told by their manifests: nothing is opened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from naru.errors import NaruError
from naru.provenance import Provenance
from naru.relevance import Relevance
from naru.store import Store


@dataclass(frozen=True, slots=True)
class Listed:
    """One collection. `created` is an ISO 8601 moment; `void` says why a calibration that it has does not hold;
    `trouble` why nothing but its name is known."""

    name: str
    passages: int | None = None
    encoder: str | None = None
    created: str | None = None
    calibrated: bool | None = None
    void: str | None = None
    trouble: str | None = None


def listed(store: Store) -> Iterator[Listed]:
    """The published collections by name; one that cannot be read is listed with its trouble."""
    for name in store.names():
        try:
            found = store.describe(name)
            if found is None:
                continue  # withdrawn meanwhile
            made = Provenance.from_facts(found.facts)
            relevance = Relevance.kept(found.relevance, made)
        except NaruError as error:
            yield Listed(name, trouble=str(error))
        else:
            yield Listed(
                name, found.passages, made.encoder, made.created, relevance.calibrated, relevance.void
            )
