"""What is typed after --data: a path that is there wins over the marks that its name may hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.recipe import load
from finetune.recipe.agreement import check_paths
from finetune.recipe.typed import filled, parts
from naru.errors import NaruError


@pytest.mark.parametrize("name", ["pairs,v1.jsonl", "dt=2024.jsonl", "a:b", "a,b=c:d"])
def test_a_path_that_is_there_is_one(name: str, tmp_path: Path) -> None:
    assert parts(name, tmp_path) != ("", str(tmp_path / name), None)
    (tmp_path / name).touch()
    assert parts(name, tmp_path) == ("", str(tmp_path / name), None)
    assert parts(f"law={name}", tmp_path) == ("law", str(tmp_path / name), None)
    assert parts(str(tmp_path / name)) == ("", str(tmp_path / name), None)


def test_what_the_marks_mean_where_nothing_is_there(tmp_path: Path) -> None:
    assert parts("law=beir/law:dev", tmp_path) == ("law", str(tmp_path / "beir/law"), "dev")
    assert parts("en.txt,ko.txt", tmp_path) == ("", f"{tmp_path / 'en.txt'},{tmp_path / 'ko.txt'}", None)
    assert parts("law=hf://org/law:train", tmp_path) == ("law", "hf://org/law:train", None)
    assert parts("beir/law:dev") == ("", "beir/law", "dev")


def test_a_missing_file_is_no_fault_of_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('name = "r"\n[model]\nbase = "b"\n[[data]]\nname = "d"\n')
    (tmp_path / "there.jsonl").touch()
    recipe = load(tmp_path / "recipe.toml")
    for data, held, said in (
        ("d=nope.jsonl", "there.jsonl", "--data d=nope.jsonl: no such file: nothing at "),
        ("there.jsonl", "nope.jsonl", "--evaluation nope.jsonl: no such file: nothing at "),
    ):
        with pytest.raises(NaruError) as caught:
            check_paths(filled(recipe, [data], [held], here=tmp_path), tmp_path / "elsewhere")
        assert str(caught.value) == f"{said}{tmp_path / 'nope.jsonl'}."
