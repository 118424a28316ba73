"""The shipped taxonomies, and the documents that projects edit."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from labeling.formats.lint.texts import find_faults
from labeling.mathtext import MathRun, split_math
from labeling.records import Contribution, StepLabel, Validity, derive_rating
from labeling.ruling_examples import EXAMPLES
from labeling.taxonomies.loader import (
    CODE_LIMIT,
    MOST_TYPES,
    NAME_LIMIT,
    ErrorType,
    Taxonomy,
    TaxonomyError,
    Texts,
    list_builtin,
    load_builtin,
    pack_taxonomy,
    parse_taxonomy,
)

LANGUAGES = ("en", "zh-Hans")
# In the order of the paper's table, in the spelling of its files.
PRMBENCH = {
    "redundency": "simplicity",
    "circular": "simplicity",
    "counterfactual": "soundness",
    "step_contradiction": "soundness",
    "domain_inconsistency": "soundness",
    "confidence": "soundness",
    "missing_condition": "sensitivity",
    "deception": "sensitivity",
    "multi_solutions": "sensitivity",
}


def small() -> dict[str, Any]:
    """The smallest taxonomy with a dimension."""
    return {
        "id": "mine",
        "version": 1,
        "title": {"en": "Mine"},
        "dimensions": [{"id": "thought", "name": {"en": "Thought"}}],
        "types": [
            {
                "code": "slip",
                "dimension": "thought",
                "validity": "wrong",
                "name": {"en": "Slip"},
                "definition": {"en": "A slip of the pen."},
                "example": {"en": "$2 + 2 = 5$"},
                "counter_example": {"en": "$2 + 2 = 4$"},
            }
        ],
    }


def all_texts(taxonomy: Taxonomy) -> list[tuple[str, Texts]]:
    texts = [("title", taxonomy.title)]
    texts += [(dimension.id, dimension.name) for dimension in taxonomy.dimensions]
    for entry in taxonomy.types:
        for name in ("name", "definition", "example", "counter_example"):
            texts.append((f"{entry.code}.{name}", getattr(entry, name)))
    return texts


# -- Shipped ---------------------------------------------------------------------------------------


def test_it_works() -> None:
    taxonomy = load_builtin("prmbench-9")
    redundant = taxonomy.find_type("redundency")
    assert redundant is not None
    assert redundant.name_in("en") == "Redundancy"
    assert redundant.name_in("zh-Hans") == "冗余"


def test_what_is_shipped() -> None:
    assert list_builtin() == ("basic", "prmbench-9")


def test_no_such_taxonomy() -> None:
    with pytest.raises(LookupError, match="'nine'; shipped are basic, prmbench-9"):
        load_builtin("nine")


@pytest.mark.parametrize("name", ["../loader", "prmbench-9.toml", ""])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(LookupError):
        load_builtin(name)


def test_the_codes_are_those_of_prmbench() -> None:
    taxonomy = load_builtin("prmbench-9")
    assert {entry.code: entry.dimension for entry in taxonomy.types} == PRMBENCH
    assert taxonomy.codes == tuple(PRMBENCH)


def test_the_basic_codes() -> None:
    assert load_builtin("basic").codes == (
        "arithmetic",
        "algebra",
        "logic",
        "misread_problem",
        "concept",
        "unjustified",
        "incomplete",
        "notation",
        "other",
    )


@pytest.mark.parametrize("name", ["basic", "prmbench-9"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_stands_in_both_languages(name: str, language: str) -> None:
    for place, texts in all_texts(load_builtin(name)):
        assert texts.by_language.keys() == set(LANGUAGES), place
        assert texts.by_language[language].strip(), place


@pytest.mark.parametrize("name", ["basic", "prmbench-9"])
def test_chinese_texts_are_chinese_and_english_ones_are_not(name: str) -> None:
    for place, texts in all_texts(load_builtin(name)):
        assert any("\u4e00" <= sign <= "\u9fff" for sign in texts.by_language["zh-Hans"]), place
        assert not any("\u4e00" <= sign <= "\u9fff" for sign in texts.by_language["en"]), place


def find_english(text: str) -> set[str]:
    """Latin words outside formulas."""
    words = (run.text for run in split_math(text) if not isinstance(run, MathRun))
    return {word for part in words for word in re.findall("[A-Za-z]{2,}", part)}


@pytest.mark.parametrize("name", ["basic", "prmbench-9"])
def test_no_english_is_left_in_chinese_texts(name: str) -> None:
    for place, texts in all_texts(load_builtin(name)):
        # The name of the benchmark is its name in every language.
        assert find_english(texts.by_language["zh-Hans"]) <= {"PRMBench"}, place


@pytest.mark.parametrize("name", EXAMPLES)
def test_ready_rulings_stand_in_both_languages(name: str) -> None:
    assert EXAMPLES[name].keys() == {"en", "zh-hans"}
    for language, words in EXAMPLES[name].items():
        assert words.keys() == {"question", "answer"}
        for text in words.values():
            assert find_faults(text) == []
            assert bool(find_english(text)) is (language == "en")


@pytest.mark.parametrize("name", ["basic", "prmbench-9"])
def test_the_latex_of_the_examples_is_sound_and_the_same_in_both_languages(name: str) -> None:
    for place, texts in all_texts(load_builtin(name)):
        for text in texts.by_language.values():
            assert find_faults(text) == [], place
        formulas = [
            sorted(
                run.text
                for run in split_math(texts.by_language[language])
                if isinstance(run, MathRun)
            )
            for language in LANGUAGES
        ]
        # A translation may name a quantity once more or less, but never writes another formula.
        assert set(formulas[0]) == set(formulas[1]), place


@pytest.mark.parametrize("name", ["basic", "prmbench-9"])
def test_every_type_has_its_own_texts(name: str) -> None:
    definitions = [entry.definition_in("en") for entry in load_builtin(name).types]
    assert len(set(definitions)) == len(definitions)


def test_what_the_types_imply() -> None:
    types = {entry.code: entry for entry in load_builtin("prmbench-9").types}
    # A redundant and a circular step are true: on the -1/0/+1 view they are 0.
    assert types["redundency"].implied_label() == StepLabel(
        validity=Validity.CORRECT,
        contribution=Contribution.REDUNDANT,
        error_types=("redundency",),
    )
    assert types["circular"].implied_label() == StepLabel(
        validity=Validity.CORRECT, contribution=Contribution.CIRCULAR, error_types=("circular",)
    )
    assert types["multi_solutions"].implied_label() == StepLabel(
        validity=Validity.CORRECT, contribution=Contribution.ADVANCES
    )
    ratings = {code: derive_rating(entry.implied_label()) for code, entry in types.items()}
    assert ratings == {
        code: {"redundency": 0, "circular": 0, "multi_solutions": 1}.get(code, -1)
        for code in PRMBENCH
    }


def test_types_with_true_steps_and_types_without_an_error() -> None:
    taxonomy = load_builtin("prmbench-9")
    assert taxonomy.no_error_codes == {"multi_solutions"}
    assert taxonomy.true_step_codes == {"redundency", "circular", "multi_solutions"}
    assert load_builtin("basic").no_error_codes == frozenset()


# -- Documents -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["basic", "prmbench-9"])
def test_packing_and_parsing_are_inverse(name: str) -> None:
    taxonomy = load_builtin(name)
    packed = pack_taxonomy(taxonomy)
    assert parse_taxonomy(json.loads(json.dumps(packed))) == taxonomy
    assert pack_taxonomy(parse_taxonomy(packed)) == packed


def test_defaults_are_packed_so_that_the_document_says_all() -> None:
    document = small()
    del document["types"][0]["example"]
    packed = pack_taxonomy(parse_taxonomy(document))
    assert packed["types"][0]["is_error"] is True
    assert packed["types"][0]["example"] == {}


def test_a_taxonomy_may_do_without_dimensions() -> None:
    document = small()
    document["dimensions"] = []
    document["types"][0]["dimension"] = ""
    assert parse_taxonomy(document).dimensions == ()


def test_texts_are_trimmed_and_empty_ones_left_out() -> None:
    document = small()
    document["title"] = {"en": "  Mine\n", "zh-Hans": " "}
    assert dict(parse_taxonomy(document).title.by_language) == {"en": "Mine"}


def change(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    """A function that puts a value at a dotted path of a document."""

    def apply(document: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place: Any = document
        for name in parents:
            place = place[int(name) if name.isdigit() else name]
        place[int(last) if last.isdigit() else last] = value

    return apply


REFUSED: list[tuple[str, object, str]] = [
    ("id", None, "id"),
    ("id", "two words", "id"),
    ("id", "x" * (CODE_LIMIT + 1), "id"),
    ("version", 0, "version"),
    ("version", "1", "version"),
    ("version", True, "version"),
    ("title", "Mine", "title"),
    ("title", {}, "title"),
    ("title", {"en": " "}, "title"),
    ("title", {"en": 3}, "title.en"),
    ("title", {"in English": "Mine"}, "title"),
    ("title", {"en": "x" * (NAME_LIMIT + 1)}, "title.en"),
    ("title", {"en": "NUL \x00"}, "title.en"),
    ("colour", "blue", "taxonomy.colour"),
    ("dimensions", {}, "dimensions"),
    ("dimensions.0", "thought", "dimensions[0]"),
    ("dimensions.0.id", "", "dimensions[0].id"),
    ("dimensions.0.name", None, "dimensions[0].name"),
    ("types", None, "types"),
    ("types", [], "types"),
    ("types", [{}] * (MOST_TYPES + 1), "types"),
    ("types.0", 7, "types[0]"),
    ("types.0.code", "", "types[0].code"),
    ("types.0.code", "-slip", "types[0].code"),
    ("types.0.dimension", "feeling", "types[0].dimension"),
    ("types.0.validity", "bad", "types[0].validity"),
    ("types.0.contribution", "none", "types[0].contribution"),
    ("types.0.is_error", "yes", "types[0].is_error"),
    ("types.0.is_error", False, "types[0].validity"),
    ("types.0.name", {}, "types[0].name"),
    ("types.0.definition", {}, "types[0].definition"),
    ("types.0.example", [], "types[0].example"),
    ("types.0.exmaple", {"en": "x"}, "types[0].exmaple"),
]


@pytest.mark.parametrize(("path", "value", "field"), REFUSED)
def test_a_bad_document_is_refused_and_the_field_named(
    path: str, value: object, field: str
) -> None:
    document = small()
    parse_taxonomy(document)
    change(path, value)(document)
    with pytest.raises(TaxonomyError) as refusal:
        parse_taxonomy(document)
    assert refusal.value.field == field
    assert str(refusal.value).startswith(f"{field}: ")


@pytest.mark.parametrize("document", [None, [], "id", 3])
def test_a_taxonomy_is_an_object(document: object) -> None:
    with pytest.raises(TaxonomyError, match="taxonomy: is an object"):
        parse_taxonomy(document)


@pytest.mark.parametrize(
    ("path", "field"), [("types", "types[1].code"), ("dimensions", "dimensions[1].id")]
)
def test_nothing_stands_twice(path: str, field: str) -> None:
    document = small()
    document[path].append(copy.deepcopy(document[path][0]))
    with pytest.raises(TaxonomyError, match="stands twice") as refusal:
        parse_taxonomy(document)
    assert refusal.value.field == field


def test_a_message_names_what_there_is() -> None:
    document = small()
    document["types"][0]["dimension"] = "feeling"
    with pytest.raises(
        TaxonomyError, match="'feeling' is not a dimension here; there are: 'thought'"
    ):
        parse_taxonomy(document)


# -- Languages -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "slip"),
        ("en-gb", "slip"),
        ("zh-Hans", "笔误"),
        ("zh-hans", "笔误"),
        ("zh_Hans", "笔误"),
        ("zh", "笔误"),
        ("zh-CN", "笔误"),
        ("fr", "slip"),
        ("", "slip"),
    ],
)
def test_the_nearest_language_is_picked(language: str, text: str) -> None:
    assert Texts({"en": "slip", "zh-Hans": "笔误"}).pick(language) == text


def test_without_english_any_language_is_better_than_none() -> None:
    assert Texts({"zh-Hans": "笔误"}).pick("de") == "笔误"
    assert Texts({}).pick("en") == ""


def test_a_type_speaks_the_language_asked_for() -> None:
    entry: ErrorType = load_builtin("basic").types[0]
    assert entry.name_in("zh-hans") == "算术错误"
    assert "102" in entry.example_in("en")
    assert entry.counter_example_in("en").startswith("Not this:")
    assert entry.counter_example_in("zh-Hans").startswith("不属于此类：")
    assert "rounded" in entry.definition_in("en")
