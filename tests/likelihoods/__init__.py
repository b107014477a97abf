"""The likelihoods: exact, differentiable, hard to misuse, and tried before they are used."""
