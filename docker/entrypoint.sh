#!/bin/sh
# PostgreSQL's client reads its password from the environment; Compose mounts secrets as files.
set -eu
secret=/run/secrets/postgres_password
if [ -e "$secret" ]; then
    PGPASSWORD=$(cat "$secret")
    export PGPASSWORD
fi
exec "$@"
