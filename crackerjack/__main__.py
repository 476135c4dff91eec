"""The way in: ``python -m crackerjack`` is ``crackerjack``."""

import gc


def entry() -> None:
    """Run the command line, whose imports begin here: none of what they make becomes garbage."""
    gc.disable()
    from crackerjack.cli import entry as run

    run()


if __name__ == "__main__":
    entry()
