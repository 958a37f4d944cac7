#!/bin/bash
# Makes the database as PostgreSQL's own image does, then starts what it is told to.
set -euo pipefail
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    initdb --username="$POSTGRES_USER" --pwfile=<(echo "${POSTGRES_PASSWORD:-none}") --auth="$method" --encoding=UTF8 \
        --locale=C.UTF-8 --no-sync >/dev/null
    printf 'host all all all %s\nhost replication all all %s\n' "$method" "$method" >>"$PGDATA/pg_hba.conf"
    if [ "$POSTGRES_DB" != postgres ]; then
        pg_ctl --silent --wait --options="-c listen_addresses= -c unix_socket_directories=/tmp" start
        PGPASSWORD=${POSTGRES_PASSWORD:-} createdb --host=/tmp --username="$POSTGRES_USER" "$POSTGRES_DB"
        pg_ctl --silent --wait stop
    fi
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/tmp
