# Airflow's own image with what the engine needs. The code is not in it: compose mounts it.
FROM apache/airflow:3.3.2

# The folders of named volumes: made here, they belong to the user that Airflow runs as.
RUN mkdir -p /opt/airflow/vault /opt/airflow/found /opt/airflow/include \
  && chmod g+rwx /opt/airflow/vault /opt/airflow/found

# What lists and forgets files of volumes in the vault (docs/movers.md): one static program, of the
# image that mover pods run by default. Debian's is too old.
COPY --from=restic/restic:0.18.1 /usr/bin/restic /usr/local/bin/restic

# The engine's own list (pyproject.toml), at the versions that this image was tested with:
# requirements.txt pins another set of versions, that of a plain installation.
COPY pyproject.toml /tmp/pyproject.toml
RUN python -c "import tomllib; p = tomllib.load(open('/tmp/pyproject.toml', 'rb')); print('\n'.join(p['project']['dependencies']))" > /tmp/engine.txt \
  && pip install --no-cache-dir --constraint "${HOME}/constraints.txt" \
    "apache-airflow==${AIRFLOW_VERSION}" -r /tmp/engine.txt
