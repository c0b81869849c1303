"""The softmax gate."""
