"""The pages shown inside Airflow's UI; imports no Airflow."""
