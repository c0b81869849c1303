"""The words of the code: names of the field, and none of a private dialect.

docs/design.md has the glossary of what is used instead.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Words that are not used, as regular expressions, and what is said instead.
DIALECT = {
    r"lessons?": "FitTask, fitting task",
    r"taught": "fitted",
    r"honest(y|ly)?": "cross-fitting, out of fold",
    r"by heart": "overfit, memorise",
    r"memorisers?": "overfitted experts",
    r"run(s|ning)? ?away|runaways?": "separated, diverges",
    r"(told|tells?|telling) (\w+ )?apart": "separates, distinguishes",
    r"(looks?|looking) on": "monitors",
    r"watch(es|ed|ing)?": "monitor",
    r"stand-in|stand_in|stands? in for": "surrogate, takes the place of",
    r"knows? nothing|knows? of no": "uniform, zero, has no",
    r"foldable|folding|folded?_parts|FoldTraining|BlockFold": "sums",
    r"(is|are|be|was|were) folded|folds? rows": "summed",
    r"second looks?|looks? around|looked again": "refit, initialisation",
    r"surprised?|unsurprised": "drift",
    r"is asked about|are asked about|asked about": "is evaluated on",
    r"question": "task",
    r"in the eyes of": "under",
    r"has no say|have a say": "states the fact",
    r"board": "shared entries",
    r"opening": "initial responsibilities",
    r"NumbersMixin|AnswersMixin|LargeMixin": "tasks, prediction, out_of_core",
}

#: Uses of the same letters that are plain English or names of others.
ALLOWED = {
    "opening": {"opening hours"},
    "question": {"question-and-answer", "* - Question"},
}


def texts():
    """Yield the path and the text of what users and developers read."""
    yield ROOT / "README.md", (ROOT / "README.md").read_text("utf8")
    for folder, pattern in [("skmoe", "*.py"), ("docs", "*.rst"), ("docs", "*.md")]:
        for path in sorted((ROOT / folder).rglob(pattern)):
            if not {"generated", "auto_examples", "_build"} & set(path.parts):
                yield path, path.read_text("utf8")
    for path in sorted((ROOT / "examples").rglob("*.py")):
        yield path, path.read_text("utf8")


@pytest.mark.parametrize("word", DIALECT)
def test_word_of_the_dialect_is_not_used(word):
    # Names are words joined by underscores or capitals.
    pattern = re.compile(rf"(?<![a-z])(?:{word})(?![a-z])", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line) and not any(use in line for use in ALLOWED.get(word, ()))
    ]
    assert not found, f"say {DIALECT[word]!r} instead:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("word", "line"),
    [
        (r"lessons?", "self.lessons = []"),
        (r"taught", "def taught_rows(estimator):"),
        (r"honest(y|ly)?", "class Honesty:"),
        (r"by heart", "An expert that learns its rows by heart."),
    ],
)
def test_the_pattern_finds_names_and_sentences(word, line):
    assert re.search(rf"(?<![a-z])(?:{word})(?![a-z])", line, re.IGNORECASE)


def test_test_files_have_names_of_the_field_too():
    names = [path.stem for path in (ROOT / "tests").rglob("test_*.py")]
    for word in ("honesty", "lesson", "dialect"):
        assert not [name for name in names if word in name]
