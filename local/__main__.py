"""`python -m local`: see cli.py."""

from __future__ import annotations

import sys

from local.cli import main

sys.exit(main())
