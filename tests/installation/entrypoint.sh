#!/bin/sh
# What the entrypoints of the public images of PostgreSQL and Redis do, as far as docker-compose.yml relies on it.
set -e

if [ "$1" != postgres ]; then
  chown redis /data
  cd /data
  exec gosu redis "$@" --protected-mode no
fi

export PGDATA=/var/lib/postgresql/17/docker
mkdir -p "$PGDATA" /var/run/postgresql
chown -R postgres /var/lib/postgresql /var/run/postgresql
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  secret=$(mktemp)
  printf '%s' "$POSTGRES_PASSWORD" > "$secret"
  chown postgres "$secret"
  gosu postgres initdb --encoding=UTF8 --locale=C.UTF-8 --username="$POSTGRES_USER" --pwfile="$secret" \
    --auth-local=trust --auth-host=scram-sha-256
  rm "$secret"
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE \"$POSTGRES_DB\";" | gosu postgres postgres --single -D "$PGDATA" postgres
fi
# The public image is stopped by the signal that asks PostgreSQL not to wait for its clients.
gosu postgres postgres -c "listen_addresses=*" &
trap 'kill -INT $!' TERM
wait || wait
