"""One call of ``fit``: what is to be fitted, the fit, and the fitted mixture."""
