"""``python -m crackerjack`` is ``crackerjack``."""

from crackerjack.cli import entry

entry()
