#!/usr/bin/env bash
# Makes the secrets of an installation, each once: random, readable by their owner and group, outside the repository's history.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
once() { [ -e "secrets/$1" ] || { random > "secrets/$1"; }; }
once postgres_password
once rabbitmq_password
once service_secret
if [ ! -e secrets/baemin.toml ]; then
  cat > secrets/baemin.toml <<TEXT
journal = "postgres://baemin:$(cat secrets/postgres_password)@postgres:5432/baemin"
bus = "amqp://baemin:$(cat secrets/rabbitmq_password)@rabbitmq:5672/"
TEXT
fi
# The broker reads its first user from a settings file.
if [ ! -e secrets/rabbitmq.conf ]; then
  printf 'default_user = baemin\ndefault_pass = %s\n' "$(cat secrets/rabbitmq_password)" > secrets/rabbitmq.conf
fi
# Containers run under users of their own, and read what is mounted; the folder keeps everybody else out.
chmod 700 secrets
chmod 444 secrets/*
