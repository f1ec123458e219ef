"""The pages shown inside Airflow's UI; imports no Airflow.

`app` serves, `view` puts into words, `reader` keeps vaults from being asked too often, `access`
says what the host must tell about the person who looks. Nothing here starts a backup or a restore:
the page asks Airflow's own API, so that Airflow authorizes and records it.
"""
