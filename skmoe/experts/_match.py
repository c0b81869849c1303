"""Recognising estimators whose fit a batch reproduces."""


def differs_only_in(estimator, names):
    """Tell whether all parameters but those named have their default values."""
    defaults = type(estimator)().get_params(deep=False)
    given = estimator.get_params(deep=False)
    return all(
        name in names or value is default or (type(value) is type(default) and value == default)
        for (name, value), default in zip(given.items(), defaults.values(), strict=True)
    )
