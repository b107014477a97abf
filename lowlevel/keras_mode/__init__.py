"""The same inside Keras: a subclassed Model whose own loss and gradient Model.fit trains on."""

try:
    import keras
except ModuleNotFoundError as error:
    if error.name == "keras":
        raise
    raise ValueError(
        f"Expected Keras on TensorFlow, got a backend that needs {error.name}: unset "
        "KERAS_BACKEND, or set it to tensorflow"
    ) from error

if keras.config.backend() != "tensorflow":
    raise ValueError(
        f"Expected Keras on TensorFlow, got the backend {keras.config.backend()}: unset "
        "KERAS_BACKEND, or set it to tensorflow"
    )
