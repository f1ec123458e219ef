"""The only room that imports Airflow."""
