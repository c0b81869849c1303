"""Golden values: numbers obtained outside the package, and the scripts that obtained them."""
