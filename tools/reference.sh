#!/usr/bin/env bash
# tools/reference.sh: docs/reference.md, from what a server with the extension says of itself, on standard output.
# Every sentence in it is a COMMENT in sql/ or a description in src/guc.c: the reference cannot say anything else.

. "$(dirname "$0")/lib.sh"

cd "$TOP"
exec tools/with-cluster psql -XAtq -v ON_ERROR_STOP=1 -f tools/reference.sql
