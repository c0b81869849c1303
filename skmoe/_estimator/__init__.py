"""The border with scikit-learn: what both estimators are made of."""
