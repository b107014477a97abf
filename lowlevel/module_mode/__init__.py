"""The low-level way: tf.Module, tf.Variable, tf.function and tf.GradientTape."""
