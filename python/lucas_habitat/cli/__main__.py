"""``python -m lucas_habitat.cli``, where no command is installed."""

import sys

from . import main

sys.exit(main())
