#!/bin/sh
# What the suite "script" does to a machine.
set -e
mkdir -p "$1"
echo "$(hostname): $1 is made"
