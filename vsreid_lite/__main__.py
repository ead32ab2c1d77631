"""`python -m vsreid_lite` is `vsreid`."""

import sys

from vsreid_lite.cli import main

sys.exit(main())
