"""The border with scikit-learn: parameters, ``fit``, predictions and tasks of both estimators."""
