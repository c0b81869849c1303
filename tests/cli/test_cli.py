"""``python -m skmoe``: reading a table, comparing on it, and failing in one line."""

import argparse
import base64
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmoe._cli._app
from skmoe._cli import main
from skmoe._cli._arguments import parse_arguments
from skmoe._cli._classification import ClassificationTask
from skmoe._cli._column import parse_column
from skmoe._cli._comparison import FoldScore, _inner_folds, fit_mixture
from skmoe._cli._comparison import cross_validate as cross_validate_models
from skmoe._cli._dates import as_days
from skmoe._cli._experts import _relative_gate_weights, describe_experts
from skmoe._cli._from_table import problem_from_table
from skmoe._cli._preprocessing import make_preprocessing, readable_names
from skmoe._cli._problem import embedded_problems
from skmoe._cli._regression import RegressionTask
from skmoe._cli._report import _leaning_cell, score_cells
from skmoe._cli._table import read_table

ROOT = Path(__file__).parents[2]
BROWSER = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)


@pytest.fixture
def write(tmp_path):
    """Write text or bytes to a file and return its path as a string."""

    def write_file(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_file


def csv_text(n_rows, *, seed=0, delimiter=","):
    """Return a table with a quantity, a class and missing values, as text."""
    rng = np.random.default_rng(seed)
    lines = [["size", "colour", "age", "price", "sold"]]
    for _ in range(n_rows):
        size, colour = rng.normal(), rng.choice(["red", "green", "blue"])
        price = abs(size) * 3 + (colour == "red") + 0.1 * rng.normal()
        age = "" if rng.random() < 0.2 else f"{rng.integers(90)}"
        lines.append([f"{size:.3f}", colour, age, f"{price:.3f}", ["no", "yes"][int(size > 0)]])
    return "\n".join(delimiter.join(line) for line in lines) + "\n"


def problem(path, target, *extra):
    """Return the problem that the command line would see."""
    options = parse_arguments([path, "--target", target, *extra])
    return problem_from_table(read_table(path, options.delimiter), options)


# Whole runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "error_name", "expert_heading"),
    [("price", "RMSE", "spread"), ("sold", "error rate", "accuracy")],
)
def test_table_is_compared_and_experts_are_described(
    target, error_name, expert_heading, write, capsys
):
    arguments = [write(csv_text(60)), "--target", target, "--folds", "2", "--experts", "2"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == f"{target} in table.csv"
    header = next(i for i, line in enumerate(lines) if line.startswith("model"))
    assert error_name in lines[header]
    rows = lines[header + 1 : lines.index("", header)]
    assert rows[0].startswith("Mixture of experts ")
    assert len(rows) == 6
    experts = next(i for i, line in enumerate(lines) if line.startswith("expert  share"))
    assert expert_heading in lines[experts]
    assert sorted(line.split()[0] for line in lines[experts + 1 : experts + 3]) == ["1", "2"]


@pytest.mark.slow
def test_same_seed_same_answer(write, capsys):
    arguments = [write(csv_text(40)), "--target", "price", "--folds", "2", "--experts", "2"]

    def without_seconds():
        main(arguments)
        return [line[:58] for line in capsys.readouterr().out.splitlines()]

    assert without_seconds() == without_seconds()


@pytest.mark.slow
def test_without_arguments_it_takes_embedded_data():
    done = subprocess.run(
        [sys.executable, "-m", "skmoe"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Who handles what") == 2
    assert done.stdout.count("Mixture of experts") == 2
    assert "! " not in done.stdout  # no model warns about data as clean as these
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_status_and_line_reach_the_shell(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "skmoe", str(tmp_path / "none.csv"), "--target", "y"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"skmoe: cannot read {tmp_path / 'none.csv'}: No such file or directory\n"


@pytest.mark.skipif(os.name == "nt", reason="a closed pipe is another error on Windows")
def test_closed_pipe_ends_it_quietly(write):
    arguments = [write(csv_text(60)), "--target", "price", "--folds", "2", "--experts", "2"]
    with subprocess.Popen(
        [sys.executable, "-m", "skmoe", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=120) == 141


def test_interrupt_ends_it_quietly(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(skmoe._cli._app, "read_table", interrupt)
    assert main(["table.csv", "--target", "y"]) == 130
    assert capsys.readouterr() == ("", "")


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--target COLUMN" in capsys.readouterr().out


# One line and status 2 -------------------------------------------------------------------------

GOOD = csv_text(20)
BAD_TABLES = {
    "empty": ("", "price", "is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "price", "is empty"),
    "blank lines": ("\n \n\n", "price", "is empty"),
    "only delimiters": (",,\n,,\n", "price", "is empty"),
    "header only": ("a,b\n", "a", "has a header and no rows"),
    "one column": ("a\n1\n2\n", "a", "has one column only, 'a'"),
    "duplicate names": ("a,b,a\n1,2,3\n", "b", "has more than one column named 'a'"),
    "ragged": ("a,b\n1,2\n\n1,2,3\n", "a", "line 4: 3 cells where the header has 2"),
    "short row": ("a,b\n1\n", "a", "line 2: 1 cell where the header has 2"),
    "open quote": ('a,b\n"1,2\n', "a", "line 2: unexpected end of data"),
    "huge cell": (f"a,b\n{'x' * 140_000},2\n", "a", "line 2: field larger than field limit"),
    "latin-1": ("a,b\nç,2\n".encode("latin-1"), "a", "is not text in UTF-8 (byte 5)"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "a", "is not text in UTF-8"),
    "zero bytes": (b"a,b\n\0\0,2\n", "a", "is not text: it contains zero bytes"),
    "unknown target": (GOOD, "prize", "has no column 'prize'; did you mean 'price'? columns: size"),
    "other case": (GOOD, "PRICE", "has no column 'PRICE'; did you mean 'price'?"),
    "nothing like it": (
        GOOD,
        "qqq",
        "has no column 'qqq'; columns: size, colour, age, price",
    ),
    "target missing": ("a,b\n1,\n2,NA\n", "b", "column 'b' has no values, all are missing"),
    "constant target": ("a,b\n1,5\n2,5\n3,NA\n", "b", "column 'b' is constant, always 5"),
    "constant text": ("a,b\n1,x y\n2,x y\n", "b", "column 'b' is constant, always x y"),
    "few rows": ("a,b\n1,1.5\n2,2.5\n3,3.5\n4,\n", "b", "has 3 rows with a value of 'b'; 5 folds"),
    "all labels differ": (
        "a,b\n" + "".join(f"{i},name {i}\n" for i in range(9)),
        "b",
        "column 'b' has 9 classes, of which 0 with the 5 rows",
    ),
    "no feature left": (
        "a,b\n" + "".join(f"7,{i / 3}\n" for i in range(20)),
        "b",
        "has nothing to predict from: column 'a' left out: it is constant",
    ),
    "infinite": ("a,b\n" + "inf,1.5\n2,2\n" * 9, "b", "column 'a' contains 'inf', which is not a"),
    "too large": ("a,b\n" + "1,1e999\n2,2\n" * 9, "b", "column 'b' contains '1e999', which is not"),
}


@pytest.mark.parametrize(("content", "target", "message"), BAD_TABLES.values(), ids=BAD_TABLES)
def test_bad_table_gets_one_line(content, target, message, write, capsys):
    assert_one_line([write(content), "--target", target], message, capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{table}"], "--target must name the column to predict; columns: size, colour, age"),
        (["--target", "y"], "--target names a column of a table: give the table too"),
        (["--delimiter", ";"], "--delimiter is for reading a table: give the table too"),
        (["{table}", "--target"], "argument --target: expected one argument"),
        (["--folds", "1"], "--folds: expected a whole number from 2 up, got '1'"),
        (["--folds", "many"], "--folds: expected a whole number from 2 up, got 'many'"),
        (["--experts", "0"], "--experts: expected a whole number from 1 up, got '0'"),
        (["--seed", "-1"], "--seed: expected a whole number from 0 to 4294967295, got '-1'"),
        (["--max-rows", "1.5"], "--max-rows: expected a whole number from 2 up, got '1.5'"),
        (["--task", "ranking"], "--task: invalid choice: 'ranking'"),
        (["--colour"], "unrecognized arguments: --colour"),
        (["{table}", "--target", "y", "--delimiter", "ab"], "expected one character or 'tab'"),
        (
            ["{table}", "--target", "sold", "--task", "regression"],
            "--task regression needs numbers, but column 'sold'",
        ),
        (["{table}", "--target", "price", "--folds", "50"], "has 20 rows with a value of 'price'"),
        (["{table}", "--target", "sold", "--folds", "15"], "has 2 classes, of which 0 with the 15"),
        (["{table}", "--target", "price", "--task", "classification"], "has 20 classes, of which"),
    ],
)
def test_bad_arguments_get_one_line(arguments, message, write, capsys):
    table = write(GOOD)
    assert_one_line([argument.format(table=table) for argument in arguments], message, capsys)


def test_missing_file_directory_and_unreadable_file_get_one_line(tmp_path, write, capsys):
    target = ["--target", "y"]
    assert_one_line([str(tmp_path / "no.csv"), *target], "No such file or directory", capsys)
    assert_one_line([str(tmp_path), *target], "cannot read", capsys)
    if os.name != "nt" and os.geteuid() != 0:  # root reads everything
        path = write(GOOD)
        os.chmod(path, 0)
        assert_one_line([path, *target], "Permission denied", capsys)


def test_what_a_model_says_of_the_data_gets_one_line(write, capsys, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("too strange\nand more")

    monkeypatch.setattr(RandomForestRegressor, "fit", refuse)
    assert main([write(GOOD), "--target", "price"]) == 2
    assert capsys.readouterr().err == "skmoe: Random forest cannot be fitted: too strange\n"


def assert_one_line(arguments, message, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("skmoe: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert message in err


# Reading a table -------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(delimiter, write):
    table = read_table(write(csv_text(3, delimiter=delimiter)))
    assert table.delimiter == delimiter
    assert table.names == ["size", "colour", "age", "price", "sold"]
    assert len(table.rows) == 3


def test_given_delimiter_wins(write):
    table = read_table(write("a:b,c\n1:2,3\n"), ":")
    assert table.names == ["a", "b,c"]
    assert table.rows == [["1", "2,3"]]


@pytest.mark.parametrize("option", ["tab", r"\t", "\t"])
def test_tab_can_be_typed(option):
    assert parse_arguments(["t.tsv", "--delimiter", option]).delimiter == "\t"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_quotes_byte_order_mark_and_line_ends(line_end, write):
    content = f'\ufeff"a, b",c{line_end}"say ""hi""\u2028now","1{line_end}2"{line_end}'
    table = read_table(write(content))
    assert table.names == ["a, b", "c"]
    assert table.rows == [['say "hi"\u2028now', f"1{line_end}2"]]


def test_names_are_stripped_and_unnamed_columns_get_one(write):
    assert read_table(write(" a ,,\n1,2,3\n")).names == ["a", "column 2", "column 3"]
    assert read_table(write('"a\nb",c\n1,2\n')).names == ["a b", "c"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", " 2.5 ", "-3e2"], [1.0, 2.5, -300.0]),
        (["1", "", "NA"], [1.0, np.nan, np.nan]),
        (["nan", "N/A", "null", "None", "?", "#N/A", "<NA>", "4"], [np.nan] * 7 + [4.0]),
        (["", ""], [np.nan, np.nan]),
    ],
)
def test_numbers(cells, expected):
    column = parse_column("x", cells)
    assert column.is_number
    np.testing.assert_array_equal(column.values, expected)
    np.testing.assert_array_equal(column.missing, np.isnan(expected))


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1970-01-02", "", "2000-01-01"], [1.0, np.nan, 10957.0]),
        (["1970-01-01 12:00:00", "1969-12-31T18:00"], [0.5, -0.25]),
        (["1970-01-01T01:00+01:00", "1970-01-01T12:00Z"], [0.0, 0.5]),
    ],
)
def test_dates_are_days(cells, expected):
    column = as_days(parse_column("when", cells))
    assert column.is_number
    np.testing.assert_array_equal(column.values, expected)


@pytest.mark.parametrize("cells", [["2000-01-01", "soon"], ["1", "2"], ["12:30", "x"], ["", ""]])
def test_what_is_no_date_stays(cells):
    column = parse_column("when", cells)
    assert as_days(column) is column


def test_dates_are_no_text_that_differs_in_every_row(write):
    lines = [f"{2000 + i}-01-01,{'yes' if i % 2 else 'no'},{i / 3}" for i in range(12)]
    found = problem(write("\n".join(["when,flag,y", *lines])), "y")
    assert found.names == ["when", "flag"]
    assert found.is_number.tolist() == [True, False]
    assert found.notes == ["column 'when' is read as dates, in days since 1970"]
    assert found.X[1, 0] - found.X[0, 0] == 366


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "two", ""], ["1", "two", None]),
        (["1_000", "2"], ["1_000", "2"]),
        (["1,5", "2"], ["1,5", "2"]),
        (["inf", "text"], ["inf", "text"]),
        (["True", "False"], ["True", "False"]),
    ],
)
def test_categories(cells, expected):
    column = parse_column("x", cells)
    assert not column.is_number
    assert column.values.tolist() == expected


def test_decimal_comma_where_semicolons_separate(write):
    found = problem(write("a;b\n" + "1,5;2,25\n0,5;1\n" * 9), "b")
    assert found.task == "regression"
    np.testing.assert_array_equal(found.X[:2, 0], [1.5, 0.5])
    np.testing.assert_array_equal(found.y[:2], [2.25, 1])


# From table to problem -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["red", "blue"], "classification"),
        (["True", "False"], "classification"),
        (["0", "1"], "classification"),
        (["1", "2.0", "3"], "classification"),
        ([str(i) for i in range(10)], "classification"),
        ([str(i) for i in range(11)], "regression"),
        (["0.5", "1"], "regression"),
    ],
)
def test_task_is_inferred(values, task, write):
    rows = "".join(f"{i},{value}\n" for i, value in enumerate(values * 6))
    found = problem(write("x,y\n" + rows), "y")
    assert found.task == task
    assert len(np.unique(found.y)) == len(values)
    said_so = [note for note in found.notes if "taken as classes" in note]
    assert len(said_so) == (task == "classification" and values[0] in ("0", "1"))


def test_task_can_be_chosen(write):
    path = write("x,y\n" + "1,0.5\n2,3\n3,4\n" * 6)
    as_classes = problem(path, "y", "--task", "classification")
    assert as_classes.y[:3].tolist() == ["0.5", "3", "4"]
    path = write("x,y\n" + "1,0\n2,1\n" * 6)
    assert problem(path, "y", "--task", "regression").y[:2].tolist() == [0.0, 1.0]


def test_rows_without_target_are_left_out_and_it_says_so(write):
    found = problem(write("x,y\n" + "1,0.5\n2,1.5\n3,\n" * 4), "y")
    assert found.X[:, 0].tolist() == [1, 2] * 4
    assert found.notes == ["4 of 12 rows left out: 'y' is missing"]


def test_rare_classes_are_left_out_and_it_says_so(write):
    found = problem(write("x,y\n" + "1,a\n2,b\n" * 5 + "3,c\n" * 4), "y")
    assert set(found.y) == {"a", "b"}
    assert found.notes == [
        "4 rows left out: the 1 rarest values of 'y' have fewer than 5 rows each"
    ]


def test_columns_that_say_nothing_are_left_out_and_it_says_so(write):
    rows = "".join(f"{i},name {i},,same,{'' if i % 2 else 'b'},{i / 7}\n" for i in range(20))
    found = problem(write("x,id,empty,constant,partly,y\n" + rows), "y")
    assert found.names == ["x", "partly"]
    assert found.notes == [
        "column 'id' left out: it is text that differs in every row",
        "column 'empty' left out: all its values are missing",
        "column 'constant' left out: it is constant",
    ]


def test_large_table_is_sampled_and_it_says_so(write):
    path = write("x,y\n" + "".join(f"{i},{i / 7}\n" for i in range(50)))
    found = problem(path, "y", "--max-rows", "20")
    assert len(found.y) == 20
    assert np.all(np.diff(found.X[:, 0]) > 0)
    assert found.notes == ["20 of 50 rows drawn at random (--max-rows)"]
    assert np.array_equal(found.X, problem(path, "y", "--max-rows", "20").X)
    assert not np.array_equal(found.X, problem(path, "y", "--max-rows", "20", "--seed", "1").X)


# Preprocessing ---------------------------------------------------------------------------------


def test_numbers_categories_and_missing_values_become_columns(write):
    rows = ["1,red,0.1", "3,green,0.2", ",red,0.3", "5,,0.4"]
    found = problem(write("\n".join(["age,colour,y", *rows * 2])), "y")
    preprocessing = make_preprocessing(found)
    Z = preprocessing.fit_transform(found.X)
    assert readable_names(preprocessing, found) == [
        "age",
        "age missing",
        "colour=green",
        "colour=red",
        "colour missing",
    ]
    filled = StandardScaler().fit_transform([[1], [3], [3], [5]])[:, 0]
    np.testing.assert_allclose(Z[:4, 0], filled)
    np.testing.assert_allclose(Z[:4, 1], np.array([-1, -1, 3, -1]) / np.sqrt(3))
    np.testing.assert_array_equal(Z[:4, 2:], [[0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])

    unseen = np.array([[2.0, "purple"]], dtype=object)
    np.testing.assert_array_equal(preprocessing.transform(unseen)[0, 2:], 0)


def test_rare_categories_share_a_column(write):
    rows = "".join(f"{i},{chr(97 + min(i % 40, 24))},{i / 3}\n" for i in range(80))
    found = problem(write("x,letter,y\n" + rows), "y")
    preprocessing = make_preprocessing(found).fit(found.X)
    letters = [name for name in readable_names(preprocessing, found) if name.startswith("letter")]
    assert len(letters) == 20
    assert letters[-1] == "letter=other"


# Scores ----------------------------------------------------------------------------------------


def options(**changed):
    return argparse.Namespace(**{"experts": 2, "folds": 3, "seed": 0, **changed})


def scores_by_model(found, task, *names):
    """Return the scores of some models of a task, as the command line has them."""

    class Fewer(task):
        def models(self, *arguments):
            models = super().models(*arguments)
            return {name: models[name] for name in names}

    results = list(cross_validate_models(found, Fewer(), options()))
    assert not any(messages for *_, messages in results)
    return {name: scores for name, scores, _ in results}


def test_scores_of_a_regressor_are_those_of_scikit_learn():
    (found,) = embedded_problems("regression")
    scores = scores_by_model(found, RegressionTask, "Mixture of experts", "Ridge")
    expected = cross_validate(
        make_pipeline(StandardScaler(), Ridge()),
        found.X,
        found.y,
        cv=KFold(3, shuffle=True, random_state=0),
        scoring="neg_root_mean_squared_error",
    )
    np.testing.assert_allclose([s.error for s in scores["Ridge"]], -expected["test_score"])
    assert [s.log_score for s in scores["Ridge"]] == [None] * 3
    assert None not in [s.log_score for s in scores["Mixture of experts"]]
    assert all(s.fit_seconds > 0 < s.predict_seconds for each in scores.values() for s in each)


def test_scores_of_a_classifier_are_those_of_scikit_learn(write):
    found = problem(write(csv_text(90)), "sold")
    scores = scores_by_model(found, ClassificationTask, "Logistic regression")[
        "Logistic regression"
    ]
    expected = cross_validate(
        make_pipeline(make_preprocessing(found), LogisticRegression(max_iter=1000)),
        found.X,
        found.y,
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        scoring=["accuracy", "neg_log_loss"],
    )
    np.testing.assert_allclose([s.error for s in scores], 1 - expected["test_accuracy"])
    np.testing.assert_allclose([s.log_score for s in scores], expected["test_neg_log_loss"])


def test_log_score_of_the_mixture_is_the_mean_log_of_its_density():
    (found,) = embedded_problems("regression")
    pipeline, messages = fit_mixture(found, RegressionTask(), options())
    assert messages == []
    mixture, Z = pipeline[-1], pipeline[0].transform(found.X)
    z = (found.y[:, np.newaxis] - mixture.expert_predict(Z)) / mixture.dispersion_
    densities = np.exp(-0.5 * z**2) / (mixture.dispersion_ * np.sqrt(2 * np.pi))
    expected = np.log(np.sum(mixture.gate_proba(Z) * densities, axis=1)).mean()
    assert RegressionTask().log_score(mixture, Z, found.y) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("smallest_group", "folds", "expected"), [(100, 5, 3), (4, 2, 2), (5, 5, 3), (4, 3, 2)]
)
def test_stacking_folds_fit_into_every_training_set(smallest_group, folds, expected):
    assert _inner_folds(smallest_group, folds) == expected


# Who handles what ------------------------------------------------------------------------------


def test_experts_of_a_known_mixture_are_found_and_described(write):
    """Two lines, split at x = 0, with noise of 0.1 on the left and 0.4 on the right."""
    rng = np.random.default_rng(0)
    x, idle = rng.uniform(-1, 1, size=(2, 600))
    right = x > 0
    y = np.where(right, 5 - 4 * x, x) + rng.normal(size=600) * np.where(right, 0.4, 0.1)
    rows = "".join(f"{a},{b},{c}\n" for a, b, c in zip(idle, x, y, strict=True))
    found = problem(write("idle,x,y\n" + rows), "y")

    task = RegressionTask()
    pipeline, _ = fit_mixture(found, task, options())
    lines = describe_experts(pipeline, found, task)
    assert [line.share for line in lines] == sorted((line.share for line in lines), reverse=True)
    by_sign = {np.sign(line.leanings[0][1]): line for line in lines}
    for line, spread, rows in ((by_sign[1], 0.4, right), (by_sign[-1], 0.1, ~right)):
        assert line.leanings[0][0] == "x"
        assert line.share == pytest.approx(rows.mean(), abs=0.03)
        assert float(line.cells[0]) == pytest.approx(spread, rel=0.15)
        assert float(line.cells[1]) == pytest.approx(
            y[rows].mean(), abs=0.2
        )  # the gate is soft at 0


def test_experts_of_a_classifier_are_described(write):
    found = problem(write(csv_text(200)), "sold")
    task = ClassificationTask()
    pipeline, _ = fit_mixture(found, task, options())
    mixture, Z = pipeline[-1], pipeline[0].transform(found.X)
    gate = mixture.gate_proba(Z)
    for line in describe_experts(pipeline, found, task):
        weights = gate[:, line.number - 1]
        predicted = mixture.expert_predict(Z)[:, line.number - 1].argmax(axis=1)
        right = mixture.classes_[predicted] == found.y
        assert float(line.cells[0]) == pytest.approx(np.average(right, weights=weights), abs=6e-4)
        label, share = line.cells[1].split()
        expected = np.average(found.y == label, weights=weights)
        assert share == f"({expected:.0%})"


def test_one_expert_leans_on_nothing(write, capsys):
    arguments = [write(csv_text(30)), "--target", "price", "--folds", "2", "--experts", "1"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    below_header = next(i for i, line in enumerate(lines) if line.startswith("expert")) + 1
    number, share, *_, leanings = lines[below_header].split()
    assert (number, share, leanings) == ("1", "100%", "-")
    assert _leaning_cell([], 50) == "-"


def test_gate_weights_are_per_deviation_and_against_the_mean_expert():
    coef = np.array([[3.0, 0.2], [1.0, 0.0], [-1.0, 0.1]])
    Z = np.array([[0.0, 10.0], [2.0, 30.0]])
    weights = _relative_gate_weights(coef, Z)
    np.testing.assert_allclose(weights, [[2, 1], [0, -1], [-2, 0]], atol=1e-12)
    # The same gate, written with another origin of its weights and in other units of Z.
    units = np.array([1, 1000])
    same = (coef + np.array([5, 7])) / units
    np.testing.assert_allclose(_relative_gate_weights(same, Z * units), weights, atol=1e-9)


@pytest.mark.parametrize(
    ("log_scores", "expected"),
    [((-1.0, -0.5), "-0.750"), ((-1.0, -4e16), "-2.000e+16"), ((None, None), "-")],
)
def test_cells_of_a_model_are_means_over_folds(log_scores, expected):
    scores = [
        FoldScore(error, log_score, fit_seconds=2 * error, predict_seconds=error / 100)
        for error, log_score in zip((0.1, 0.3), log_scores, strict=True)
    ]
    assert score_cells(scores) == ("0.2 +- 0.1", expected, "0.400", "0.0020")


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (50, "length +1.5, width -0.2"),
        (22, "length +1.5"),
        (8, "length.."),
    ],
)
def test_leanings_fit_the_room(room, expected):
    assert _leaning_cell([("length", 1.5), ("width", -0.2)], room) == expected


# The page ----------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would see: tags that must match, texts, and what is loaded from where."""

    def __init__(self, text):
        super().__init__()
        self.open, self.cells, self.items, self.sources, self.here = [], [], [], [], ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.sources += [attributes[name] for name in ("src", "href") if name in attributes]
        if tag == "img":
            assert attributes["alt"]
        if tag not in ("img", "meta"):
            self.open.append(tag)
        self.here = ""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "td":
            self.cells.append(self.here)
        if tag == "li":
            self.items.append(self.here)

    def handle_data(self, data):
        self.here += data


def test_a_report_is_one_page_with_everything(write, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = tmp_path / "report.html"
    text = csv_text(120).replace("colour", "<b>colour</b> & co")
    table = write(text)
    arguments = [table, "--target", "price", "--experts", "2", "--folds", "2"]
    assert main([*arguments, "--report", str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith(f"The report is in {path}")
    page = Page(path.read_text(encoding="utf-8"))
    # All that is shown is in the page itself.
    assert len(page.sources) == 4
    for source in page.sources:
        head, data = source.split(",", 1)
        assert head == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG")
    for model in ("Mixture of experts", "Ridge", "Random forest"):
        assert model in page.cells
        assert model in printed
    sentences = [item for item in page.items if item.startswith("expert_")]
    assert len(sentences) == 2
    assert sum(item.endswith("; smallest error") for item in sentences) == 1


@pytest.mark.slow
def test_a_report_of_what_scikit_learn_brings(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "report.html"
    arguments = ["--task", "classification", "--folds", "2", "--experts", "2"]
    assert main([*arguments, "--report", str(path)]) == 0
    page = Page(path.read_text(encoding="utf-8"))
    assert len(page.sources) == 3


def test_a_report_that_cannot_be_written_is_refused_at_once(tmp_path, capsys):
    assert main(["--report", str(tmp_path / "no" / "report.html")]) == 2
    assert "expected a file in a folder that exists" in capsys.readouterr().err
    assert main(["--report", str(tmp_path)]) == 2


def test_a_report_without_pictures_is_refused_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    path = tmp_path / "report.html"
    assert main(["--report", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "pip install 'skmoe[plot]'" in printed.err
    assert not path.exists()


@pytest.mark.skipif(BROWSER is None, reason="there is no browser")
def test_a_browser_shows_the_report(write, tmp_path):
    path = tmp_path / "report.html"
    arguments = [write(csv_text(60)), "--target", "price", "--experts", "2", "--folds", "2"]
    assert main([*arguments, "--report", str(path)]) == 0
    command = [BROWSER, "--headless", "--no-sandbox", "--dump-dom", path.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "Who handles what" in shown
    assert shown.count("<figure>") == 4
