"""What `python -m lowlevel` runs: the same as main.py."""

from lowlevel.cli import main

if __name__ == "__main__":
    main()
