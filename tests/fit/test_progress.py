"""scikit-learn's callbacks: what they receive, and that a stop is obeyed."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skmoe import MixtureOfExpertsClassifier, MixtureOfExpertsRegressor
from skmoe.datasets import make_moe_classification, make_moe_regression

callback = pytest.importorskip("sklearn.callback")

X, Y = make_moe_regression(400, 2, n_experts=2, random_state=0)
LABELS = make_moe_classification(400, 2, n_experts=2, n_classes=3, random_state=0)


class Recorder:
    """Keeps what it is told, and asks to stop once `stop` says so."""

    def __init__(self, stop=lambda task: False):
        self.stop, self.begun, self.ended, self.torn = stop, [], [], False

    def setup(self, estimator, context):
        self.torn = False

    def teardown(self, estimator, context):
        self.torn = True

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(path(context))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.ended.append((path(context), X, y, fitted_estimator))
        return self.stop(context.task_name)


def path(context):
    own = (context.task_name, context.task_id)
    return (own,) if context.parent is None else (*path(context.parent), own)


def regressor(**params):
    return MixtureOfExpertsRegressor(**{"n_experts": 2, "n_init": 2, "random_state": 0} | params)


VARIANTS = {
    "soft": regressor(),
    "hard": regressor(top_k=1),
    "short starts": regressor(n_init="auto"),
    "trees": regressor(experts=DecisionTreeRegressor(max_depth=2), max_iter=4, tol=0.1),
    "grown": regressor(n_experts="auto"),
    "single": regressor(n_experts=1),
    "pooled": regressor(specialize=False),
    "widened": regressor(experts=LinearRegression()),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_task_that_begins_ends(name):
    recorder, model = Recorder(), clone(VARIANTS[name])
    model.set_callbacks(recorder).fit(X, Y)
    paths = [entry[0] for entry in recorder.ended]
    assert sorted(recorder.begun) == sorted(paths)
    assert recorder.begun[0] == paths[-1] == (("fit", 0),)
    assert {len(each) for each in paths} <= {1, 2, 3}
    assert recorder.torn
    # A fit is what it is, whoever looks on.
    assert_allclose(model.predict(X), clone(VARIANTS[name]).set_callbacks().fit(X, Y).predict(X))


def test_iterations_of_a_start_are_its_tasks():
    recorder = Recorder()
    model = regressor().set_callbacks(recorder).fit(X, Y)
    iterations = [entry for entry in recorder.ended if entry[0][-1][0] == "EM iteration"]
    assert len(iterations) == sum(start["n_iter"] for start in model.starts_)
    labels = [run[1][0] for run in recorder.begun if len(run) == 2]
    assert labels == ["start 0, soft", "start 0", "start 1, soft", "start 1"]
    assert all(X_seen is X and y_seen is Y for _, X_seen, y_seen, _ in iterations)


@pytest.mark.parametrize("top_k", [None, 1])
def test_the_model_of_an_iteration_is_that_of_its_objective(top_k):
    recorder = Recorder()
    model = regressor(n_init=1, top_k=top_k).set_callbacks(recorder).fit(X, Y)
    fitted = [entry[3] for entry in recorder.ended if entry[0][-1][0] == "EM iteration"]
    reached = [each.lower_bound_ for each in fitted]
    assert_allclose(reached[-model.n_iter_ :], model.lower_bounds_)
    last = fitted[int(np.argmax(model.lower_bounds_)) - model.n_iter_]
    assert_allclose(last.predict(X), model.predict(X))
    if top_k is None:
        # Each is a mixture: its objective is its own log-likelihood less its own penalties.
        for each in fitted:
            prior, one = each.response_.prior, each.dispersion_ / Y.std()
            penalty = each.gate_.penalty_ + prior * (np.log(one) + 0.5 * (0.1 / one) ** 2).sum()
            penalty += sum(
                0.5 * e.alpha * (e.coef_**2).sum() / s**2
                for e, s in zip(each.experts_, each.dispersion_, strict=True)
                if hasattr(e, "alpha")
            )
            bound = each.score_samples(X, Y).mean() - penalty / len(X)
            assert_allclose(each.lower_bound_, bound, atol=1e-9)


def test_surrogates_are_no_models():
    recorder = Recorder()
    model = clone(VARIANTS["trees"]).set_callbacks(recorder).fit(X, Y)
    for task, _, _, fitted in recorder.ended:
        if task[-1][0] == "EM iteration":
            assert (fitted is None) == task[1][0].endswith("soft")
    assert fitted.score(X, Y) == model.score(X, Y)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_wish_to_stop_is_obeyed(name):
    recorder = Recorder(stop=lambda task: task == "EM iteration")
    model = clone(VARIANTS[name]).set_callbacks(recorder).fit(X, Y)
    assert model.stop_reason_ == "a callback asked to stop"
    assert not model.converged_
    assert model.n_iter_ == 1
    assert model.lower_bound_ == model.lower_bounds_.max()
    assert np.isfinite(model.predict(X)).all()


def test_the_best_is_kept_where_no_further_start_is_wanted():
    runs = Recorder(stop=lambda task: task.startswith("start 0"))
    model = regressor(n_init=20).set_callbacks(runs).fit(X, Y)
    assert len(model.starts_) == 1
    assert model.converged_
    plain = regressor(n_init=1).fit(X, Y)
    assert_allclose(model.lower_bound_, plain.lower_bound_)


def test_teardown_follows_a_fit_that_fails():
    recorder = Recorder()
    model = regressor().set_callbacks(recorder)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X, np.nan), Y)
    assert recorder.torn
    assert not hasattr(model, "gate_")
    # And the next fit works.
    model.fit(X, Y)
    assert not [name for name in vars(model) if "ctx" in name or "teardown" in name]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_monitor_scores_through_a_search(n_jobs):
    monitor = callback.ScoringMonitor(scoring="r2")
    model = regressor(n_init=1, max_iter=5, tol=1.0).set_callbacks(monitor)
    grid = {"mixtureofexpertsregressor__n_experts": [1, 2]}
    search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=2, n_jobs=n_jobs)
    search.fit(X, Y)
    log = monitor.get_logs()
    assert log.estimator_name == "GridSearchCV"
    # The last entry of the last task is the refitted best model.
    refitted = [row for row in log.data if row["task_id_path"][:2] == (0, 1)]
    assert refitted[-1]["task_name"] == "EM iteration"
    assert_allclose(refitted[-1]["r2"], search.best_estimator_.score(X, Y))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_bar_moves_through_a_search(n_jobs, capfd):
    pytest.importorskip("rich")
    grid = {"mixtureofexpertsregressor__n_experts": [1, 2]}
    pipeline = make_pipeline(StandardScaler(), regressor(n_init=1, max_iter=5, tol=1.0))
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(callback.ProgressBar()).fit(X, Y)
    shown = capfd.readouterr().out
    assert "GridSearchCV - fit" in shown
    assert "100%" in shown


def test_callbacks_follow_a_classifier_with_weights(rng):
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    weights = rng.uniform(1, 2, 400)
    model = MixtureOfExpertsClassifier(n_experts=2, n_init=1, random_state=0)
    model.set_callbacks(monitor).fit(*LABELS, sample_weight=weights)
    scores = [row["neg_log_loss"] for row in monitor.get_logs().data]
    own = model.score_samples(*LABELS)
    assert_allclose(scores[-1], np.average(own, weights=weights))


def test_callbacks_follow_a_fit_to_blocks():
    recorder = Recorder()
    model = regressor().set_callbacks(recorder).fit([(X[:200], Y[:200]), (X[200:], Y[200:])])
    last = [fitted for task, *_, fitted in recorder.ended if task[1:] and task[1][0] == "all rows"]
    assert_allclose(last[-2].lower_bound_, model.lower_bound_)
    assert_allclose(last[-2].predict(X), model.predict(X))


def test_callbacks_go_with_copies():
    model = regressor().set_callbacks(Recorder())
    assert clone(model).fit(X, Y)._skl_callbacks
    quiet = regressor().set_callbacks().fit(X, Y)
    assert_allclose(pickle.loads(pickle.dumps(quiet)).predict(X), quiet.predict(X))
    with pytest.raises(TypeError, match="FitCallback"):
        model.set_callbacks(LogisticRegression())
