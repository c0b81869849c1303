"""The types that `skops.io` needs to trust to load fitted mixtures."""

__all__ = ["TRUSTED_TYPES"]

_ESTIMATORS = (
    "skmoe._classifier.MixtureOfExpertsClassifier",
    "skmoe._regressor.MixtureOfExpertsRegressor",
)
_GATES = (
    "skmoe.gates._classifier.ClassifierGate",
    "skmoe.gates._constant.ConstantGate",
    "skmoe.gates._gaussian._gate.GaussianGate",
    "skmoe.gates._hierarchical.HierarchicalGate",
    "skmoe.gates._softmax.SoftmaxGate",
)
#: Names under which earlier versions have stored gates. Today they resolve to classes that are
#: trusted under their present names.
_FORMER_GATES = ("skmoe.gates._gaussian.GaussianGate",)
_LAWS = (
    "skmoe.responses._gamma.Gamma",
    "skmoe.responses._gaussian.Gaussian",
    "skmoe.responses._laplace.Laplace",
    "skmoe.responses._multivariate.MultivariateGaussian",
    "skmoe.responses._poisson.Poisson",
    "skmoe.responses._student.StudentT",
)
# Types of scikit-learn that are public under other names, or are parts of its estimators.
_SCIKIT_LEARN = (
    "numpy.dtype",
    "sklearn._loss.link.HalfLogitLink",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogLink",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.AbsoluteError",
    "sklearn._loss.loss.ExponentialLoss",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfGammaLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfPoissonLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn._loss.loss.HuberLoss",
    "sklearn._loss.loss.PinballLoss",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.frozen._frozen.FrozenEstimator",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.CompoundKernel",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.DotProduct",
    "sklearn.gaussian_process.kernels.ExpSineSquared",
    "sklearn.gaussian_process.kernels.Exponentiation",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.PairwiseKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.RationalQuadratic",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.metrics._classification.balanced_accuracy_score",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.model_selection._split.GroupKFold",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.LeaveOneGroupOut",
    "sklearn.model_selection._split.LeaveOneOut",
    "sklearn.model_selection._split.StratifiedGroupKFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.multiclass._ConstantPredictor",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
)

#: Names of all types of this package that a fitted mixture may hold, and of those types of
#: scikit-learn's experts and gates that skops does not trust by default. Creating one of them runs
#: the code of its own class only. None of them imports or calls what the file names.
TRUSTED_TYPES: tuple[str, ...] = (
    *_ESTIMATORS,
    *_GATES,
    *_FORMER_GATES,
    *_LAWS,
    *_SCIKIT_LEARN,
)
