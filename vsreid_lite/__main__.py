"""`python -m vsreid_lite` is `vsreid`."""

import sys

from vsreid_lite.commands.cli import main

sys.exit(main())
