"""``python -m lesionkit``."""

import sys

from lesionkit.commands import main

if __name__ == "__main__":
    sys.exit(main())
