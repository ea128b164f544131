#!/bin/sh
# Makes .cache/localstack-venv, the LocalStack that tests run against. Where a
# Docker server answers and gives the pinned image, that is taken instead.
#
# 4.9.2 is the last LocalStack that runs on the Python of Debian 12 (3.11);
# from 3.12 on it is 4.14.0, the last one that asks for no account.
set -eu
cd "$(dirname "$0")/.."
. localstack/venv.sh

image=localstack/localstack:4.14.0 # localstack/docker.go names it too
if docker version >/dev/null 2>&1; then
	if docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >&2; then
		exit
	fi
fi

if python3 -c 'import sys; sys.exit(sys.version_info < (3, 12))'; then
	venv localstack-venv localstack/pins/localstack-4.14.0.txt
else
	venv localstack-venv localstack/pins/localstack-4.9.2.txt
fi
