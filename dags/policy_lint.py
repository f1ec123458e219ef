"""Declares no dag: airflow shows, as an import error of this file, what is wrong with policies."""

from __future__ import annotations

from lifeboat.pipeline.build import lint

lint()
