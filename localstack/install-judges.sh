#!/bin/sh
# Makes .cache/judges-venv: the SDKs of AWS, Google and Azure, cryptography and pytest, with which the
# tests of localstack/judges look at the emulators.
set -eu
cd "$(dirname "$0")/.."
. localstack/venv.sh

venv judges-venv localstack/pins/judges.txt
