"""Lifeboat on Apache Airflow: policies become DAGs, steps become tasks.

The only room that imports Airflow. It decides order, retries and waiting; what happens in a step is
the engine's. Modules here import neither a Kubernetes nor an Azure client: dag-processor and every
task's process would pay for it at each parse.
"""
