"""Several devices or machines: the strategy, the cluster, and sums whose bits they leave alone."""
