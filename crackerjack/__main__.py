"""``python -m crackerjack`` is ``crackerjack``."""

import sys

from crackerjack.cli import main

sys.exit(main())
