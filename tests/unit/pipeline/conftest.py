"""Airflow reads its home when it is imported; here it must not be the user's."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="lifeboat-airflow-home-"))
