"""One experiment, two ways: a loss of one's own, with a gradient of one's own, in TensorFlow."""
