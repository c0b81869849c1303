"""The border with scikit-learn: what both estimators share."""

import copy
from dataclasses import replace
from functools import partial
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch, check_consistent_length, check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from .._data.groups import check_groups, make_units
from .._data.tables import select
from .._fit.calibration import calibrated
from .._fit.fitting import KINDS, Fitting, make_folds
from .._fit.growth import grow
from .._fit.problem import Data, Specification
from .._fit.progress import monitoring
from .._sklearn import (
    CALLBACKS,
    BaseComposition,
    HasMethods,
    Interval,
    StrOptions,
    VisualBlock,
    callback_context,
    raise_for_params,
    routing_enabled,
    with_callbacks,
)
from .._version import VersionedMixin
from ..em._loop import Result
from ..em._search import Settings
from ..gates import GATES, SoftmaxGate, is_estimator, resolve_gate
from .criteria import CriteriaMixin
from .options import (
    check_expert,
    check_nested,
    is_frozen,
    resolve_experts,
    seed_parts,
    share_fits,
)
from .out_of_core import LargeMixin
from .prediction import AnswersMixin
from .validation import (
    check_init,
    check_weights,
    check_X,
    keep_rows,
    resolve_columns,
    resolve_cv,
)
from .warnings import (
    warn_of_ending,
    warn_of_overfitting,
    warn_of_resampling,
    warn_of_separation,
)

_COLUMNS = ["array-like", slice, str, callable, Integral, None]


class BaseMixtureOfExperts(
    *CALLBACKS, LargeMixin, AnswersMixin, CriteriaMixin, VersionedMixin, BaseComposition
):
    """Constructor parameters and ``fit``."""

    _parameter_constraints = {
        "experts": [list, HasMethods(["fit"]), None],
        "n_experts": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "gate": [StrOptions(set(GATES)), HasMethods(["fit", "predict_proba"]), None],
        "top_k": [Interval(Integral, 1, None, closed="left"), None],
        "gate_features": _COLUMNS,
        "expert_features": _COLUMNS,
        "specialize": ["boolean"],
        "cv": ["cv_object", StrOptions({"auto"})],
        "average": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions(set(KINDS)), "array-like"],
        "n_init": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "accelerate": ["boolean"],
        "warm_start": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # ------------------------------------------------------------- parameters

    def get_params(self, deep=True):
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of experts, gate and response.

        Returns
        -------
        dict of str to object
            Parameters by name; those of parts as ``name__parameter``.
        """
        if isinstance(self.experts, list):
            return self._get_params("experts", deep=deep)
        return super().get_params(deep=deep)

    def set_params(self, **params):
        """Set the parameters of this estimator.

        Parameters
        ----------
        **params : dict of str to object
            Parameters by name. The name of an expert in a list replaces that
            expert; ``"drop"`` removes it.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If there is no parameter of that name.
        """
        if isinstance(params.get("experts", self.experts), list):
            self._set_params("experts", **params)
        else:
            super().set_params(**params)
        return self

    # ------------------------------------------------------------------- fit

    @with_callbacks
    def _fit(self, X, y, sample_weight, groups, params):
        """Fit a draft, and take its attributes over once all has gone well."""
        self._validate_params()
        context = callback_context(self)
        draft = copy.copy(self)
        _forget(draft)
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        known = {"estimator": self, "X": X, "y": y, "metadata": metadata}
        with monitoring(
            context, known, partial(_attributes_of, draft), partial(_fitted, draft), self.verbose
        ) as monitor:
            draft._fit_draft(X, y, sample_weight, groups, params, self._previous(), monitor)
        # One assignment: an interrupt finds the old fit or the new one, never half of each.
        self.__dict__ = vars(draft)
        return self

    def _previous(self):
        """The fitted model that `warm_start` goes on from, or None."""
        return self if self.warm_start and self.__sklearn_is_fitted__() else None

    def _fit_draft(self, X, y, sample_weight, groups, params, previous, monitor):
        rng = _random_state(self.random_state)
        parts = self._resolve_parts(rng)
        chooses = self._chooses(parts)
        settings = Settings(self.tol, self.max_iter, self.top_k, monitor, self.accelerate)
        chunks = self._chunks_of(X, y, sample_weight, groups, params, parts)
        if chunks is not None:
            training, results, log, widening = self._fit_chunks(chunks, parts, settings, rng)
        else:
            data, given, parts = self._read(X, y, sample_weight, groups, params, parts, previous)
            warn_of_resampling(parts.named, data.weights, parts.specialize)
            fitting = Fitting(data, parts, settings, self.n_jobs, rng)
            training, results, log = self._grow(fitting) if chooses else self._train(fitting, given)
            chosen = fitting.sized(training.n_experts) if chooses else fitting
            results, widening = calibrated(chosen, training, results)
        self._store(training, results[0])
        self._store_widening(widening)
        self.averaged_ = [self._further(training, result.state) for result in results[1:]]
        self.starts_ = log
        warn_of_ending(self)
        warn_of_separation([training.names[k] for k in training.separated(results[0].state)])
        warn_of_overfitting([training.names[k] for k in training.overfitted(results[0].state)])

    def _read(self, X, y, sample_weight, groups, params, parts, previous):
        """Return the rows of positive weight, a start that is given, and parts with their rows."""
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y "
                "is None."
            )
        X = check_X(self, X, reset=True)
        y = self._check_y(y)
        check_consistent_length(X, y)
        n = len(y)
        weights = self._class_weights(y, check_weights(sample_weight, X))
        groups = None if groups is None else check_groups(groups, X)
        given = self._given_start(X, y, groups, len(parts.components), previous)
        cv = resolve_cv(self.cv, X, y, groups)
        fold = cv if isinstance(cv, np.ndarray) else None
        rows = np.flatnonzero(weights > 0)
        X, y, weights, given, groups, fold = keep_rows(rows, n, X, y, weights, given, groups, fold)
        params = {name: keep_rows(rows, n, value)[0] for name, value in params.items()}
        parts = replace(parts, params=self._route(params, [name for name, _ in parts.named]))
        self.gate_columns_ = resolve_columns(X, self.gate_features, "gate_features")
        self.expert_columns_ = columns = resolve_columns(X, self.expert_features, "expert_features")
        units = make_units(groups, weights)
        if fold is None and cv is not None:
            fold = make_folds(cv, select(X, columns), weights, units, parts.specialize)
        target = self._target(y, weights)
        data = Data(X, target, weights, units, fold, self.gate_columns_, columns)
        return data, None if given is None else (self._kind_of_given(previous), given), parts

    def _train(self, fitting, given):
        """Train a given number of experts."""
        self.path_ = []
        return fitting.run(
            init=self.init if isinstance(self.init, str) else "auto",
            n_init=self.n_init,
            given=given,
            average=self.average,
        )

    def _chooses(self, parts):
        """Whether the number of experts is to be chosen.

        Raises
        ------
        ValueError
            If another parameter rules that out.
        """
        if self.n_experts != "auto" or not parts.clones:
            return False
        for name, refused in [
            ("specialize", not parts.specialize),
            ("average", self.average > 1),
            ("init", not isinstance(self.init, str)),
        ]:
            if refused:
                value = getattr(self, name) if name != "init" else "an array"
                raise ValueError(
                    f"n_experts must be a number with {name}={value}; got 'auto', which grows one "
                    "mixture of experts that specialise, from a single expert"
                )
        return True

    def _grow(self, fitting):
        """Choose the number of experts."""

        def assemble(training, result):
            model = copy.copy(self)
            model._store(training, result)
            model.averaged_ = []
            return model

        training, result, log, self.path_ = grow(fitting, assemble)
        return training, [result], log

    def _resolve_parts(self, rng):
        """Return seeded clones of all parts, checked."""
        labels = self._has_labels
        count = 1 if self.n_experts == "auto" else self.n_experts
        named = resolve_experts(
            self.experts, count, self._default_expert(), self.get_params(deep=False)
        )
        for name, expert in named:
            check_expert(name, expert, labels)
        law = self._law()
        check_nested(named, law)
        specialize = self.specialize and not all(is_frozen(expert) for _, expert in named)
        named, components = share_fits(
            named, not isinstance(self.experts, list), specialize, law.n_scales
        )
        named = [(name, seed_parts(clone(expert), rng)) for name, expert in named]
        gate = seed_parts(resolve_gate(self.gate), rng)
        clones = not isinstance(self.experts, list)
        auto = isinstance(self.cv, str)
        return Specification(gate, named, components, clones, specialize, auto, law, {})

    def _given_start(self, X, y, groups, n_experts, previous):
        """Responsibilities (n, K) to start from, or None to draw them."""
        if not isinstance(self.init, str):
            return check_init(self.init, len(y), n_experts)
        if previous is not None and previous.n_experts_ == n_experts:
            warm = previous.responsibilities(X, y, groups)
            return check_init(warm, len(y), n_experts)
        return None

    def _kind_of_given(self, previous):
        return "given" if previous is None or not isinstance(self.init, str) else "warm"

    def _store(self, training, result):
        """Write the fitted attributes."""
        parameters = result.state.parameters
        self.gate_, self.experts_ = training.finish(result.state)
        self.named_experts_ = Bunch(**dict(zip(training.names, self.experts_, strict=True)))
        self.n_experts_ = len(self.experts_)
        self.weight_seen_ = training.total
        self.expert_usage_ = training.usage(result.state)
        self.gate_entropy_ = training.gate_entropy(result.state)
        self.starved_experts_ = [training.names[k] for k in parameters.starved]
        self.lower_bound_ = result.state.objective
        self.lower_bounds_ = np.array(result.history)
        self.n_iter_ = len(result.history)
        self.converged_ = result.converged
        self.stop_reason_ = result.stop_reason
        self._store_law(training, parameters)

    def _further(self, training, state):
        """What is kept of a start whose density is averaged with the best."""
        gate, experts = training.finish(state)
        kept = {"gate": gate, "experts": experts, "lower_bound": state.objective}
        return kept | self._law_of(training, state.parameters)

    # --------------------------------------------------------------- routing

    def get_metadata_routing(self):
        """Get the metadata routing of this estimator.

        Returns
        -------
        MetadataRouter
            Routes the metadata of ``fit`` to the experts.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        named = resolve_experts(self.experts, 1, self._default_expert(), ())
        if not isinstance(self.experts, list):
            named = [("experts", named[0][1])]
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return router.add(method_mapping=mapping, **dict(named))

    def _route(self, params, names):
        """Fit parameters of each expert, by its name."""
        if not routing_enabled():
            raise_for_params(params, self, "fit")
            return {}
        if not params:
            return {}
        routed = process_routing(self, "fit", **params)
        key = "{}" if isinstance(self.experts, list) else "experts"
        return {name: dict(routed[key.format(name)].fit) for name in names}

    # ----------------------------------------------------------- conventions

    def __sklearn_tags__(self):
        """What all parts take, the mixture takes."""
        tags = super().__sklearn_tags__()
        templates = [*self._gate_templates(), *self._expert_templates()]
        parts = [get_tags(part) for part in templates]
        tags.input_tags.sparse = all(part.input_tags.sparse for part in parts)
        tags.input_tags.allow_nan = all(part.input_tags.allow_nan for part in parts)
        tags.target_tags.required = True
        return tags

    def _gate_templates(self):
        """The gate, where it is an estimator; what is none is refused by name in `fit`."""
        gate = "softmax" if self.gate is None else self.gate
        gate = GATES[gate]() if isinstance(gate, str) and gate in GATES else gate
        return [gate] if is_estimator(gate) else []

    def _expert_templates(self):
        """The experts as given, where they are estimators."""
        experts = self.experts if isinstance(self.experts, list) else [("", self.experts)]
        found = [entry[-1] for entry in experts if isinstance(entry, tuple)]
        found = [self._default_expert() if expert is None else expert for expert in found]
        return [part for part in found if is_estimator(part)]

    def _sk_visual_block_(self):
        """Gate and experts, side by side."""
        gate = SoftmaxGate() if self.gate is None else self.gate
        experts = self.experts
        if not isinstance(experts, list):
            template = self._default_expert() if experts is None else experts
            experts = [(f"{self.n_experts} experts", template)]
        names = ["gate", *(name for name, _ in experts)]
        return VisualBlock(
            "parallel", [gate, *(expert for _, expert in experts)], names=names, dash_wrapped=False
        )


def _forget(estimator):
    """Remove fitted attributes."""
    for name in _fitted(estimator):
        delattr(estimator, name)


def _attributes_of(draft, training, state):
    """Fitted attributes, as they would be if the fit of a draft ended with a state."""
    model = copy.copy(draft)
    model._store(training, Result(state, (state.objective,), False, "it goes on"))
    model._store_widening(1.0)
    model.averaged_ = []
    return _fitted(model)


def _fitted(estimator):
    """Fitted attributes by name."""
    return {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_")
    }


def _random_state(seed):
    """A random state; for None a fresh one, so that the global one stays untouched."""
    return np.random.RandomState() if seed is None else check_random_state(seed)
