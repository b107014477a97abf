"""The Keras way: a subclassed Model whose own training step keeps Model.fit."""
