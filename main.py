"""Trains one network on its own likelihood: by hand, with Keras, or both ways side by side."""

from lowlevel.cli import main

if __name__ == "__main__":
    main()
