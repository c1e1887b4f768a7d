"""What is typed after --data and --evaluation, [NAME=]PATH[:SPLIT], and a recipe filled with it. A path that is there wins over
what its marks mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from finetune.recipe import Evaluation, Recipe
from finetune.recipe.agreement import rows_of
from finetune.recipe.tables import KeyPlaces, meant
from naru.errors import NaruError


def parts(given: str, here: Path | None = None) -> tuple[str, str, str | None]:
    """(name or "", path, split or None); the path made absolute where it is relative to `here`, with two files of
    parallel lines each of them: "a.txt,b.txt"."""
    start = here or Path()
    name, equals, rest = given.partition("=")
    if not equals or (start / given).exists():
        name, rest = "", given
    if rest.startswith("hf://"):
        return name, rest, None
    path, _, split = rest.rpartition(":")
    if not path or "/" in split or "." in split or (start / rest).exists():
        path, split = rest, ""
    if here is not None:
        several = [path] if (here / path).exists() else path.split(",")
        path = ",".join(str((here / one).absolute()) for one in several)
    return name, path, split or None


def filled(
    recipe: Recipe,
    data: Sequence[str] = (),
    evaluation: Sequence[str] = (),
    base: str | None = None,
    here: Path | None = None,
) -> Recipe:
    """The recipe with the user's files: each PATH, PATH:SPLIT or NAME=PATH[:SPLIT], as in --data and --evaluation.

    NAME=PATH gives the data set of that name its path; a bare PATH goes to the first without one. Evaluations may also
    be new ones, named NAME or after the file. Relative paths are of `here`, else of the root. `base` replaces the model to
    start from. Raises NaruError for a name the recipe does not have, a path too many, and a data set or an evaluation that
    is left without a path.
    """
    sources, held, places = list(recipe.data), list(recipe.evaluation), dict(recipe.places.of)
    for given in data:
        name, path, split = parts(given, here)
        names = [source.name for source in sources]
        if name and name not in names:
            raise NaruError(f"--data {given}: {recipe.name} has no data {name!r}. {meant(name, names)}")
        wanted = [name] if name else [source.name for source in sources if source.path is None]
        if not wanted:
            raise NaruError(
                f"--data {given}: every data set of {recipe.name} has its path. NAME=PATH replaces one: "
                f"{', '.join(names)}."
            )
        at = names.index(wanted[0])
        sources[at] = replace(sources[at], path=path, split=split or sources[at].split)
        places[f"data[{at}].path"] = f"--data {given}"
    for given in evaluation:
        name, path, split = parts(given, here)
        names = [row.name for row in held]
        wanted = [name] if name else [row.name for row in held if row.path is None]
        if wanted and wanted[0] in names:
            at = names.index(wanted[0])
            held[at] = replace(held[at], path=path, split=split or held[at].split)
            places[f"evaluation[{at}].path"] = f"--evaluation {given}"
        else:
            places[f"evaluation[{len(held)}]"] = f"--evaluation {given}"
            held.append(Evaluation(name or _unused(Path(path).name.split(".")[0], names), path, split))
    made = replace(recipe, data=sources, evaluation=held)
    if base is not None and base != recipe.model.base:  # the recipe's licence is that of its own base
        places["model.base"] = f"--base {base}"
        made = replace(made, model=replace(recipe.model, base=base), licence=None)
    made = replace(made, places=KeyPlaces(recipe.places.name, places))
    for where, row in rows_of(made):
        if row.path is None:
            key = where.partition("[")[0]
            raise NaruError(
                f"{recipe.at(where)}: {key} {row.name!r} has no path: give --{key} {row.name}=PATH."
            )
    return made


def _unused(name: str, names: Sequence[str]) -> str:
    """The name, numbered from 2 where it is taken: two folders may hold files of one name."""
    number = 1
    while (numbered := name if number == 1 else f"{name}-{number}") in names:
        number += 1
    return numbered
