#!/usr/bin/env bash
# Sourced by the others: what the tools call an architecture that Docker calls $1.
# shellcheck disable=SC2034

case "${1:-}" in
  amd64)
    target=x86_64-unknown-linux-gnu
    multiarch=x86_64-linux-gnu
    ;;
  riscv64)
    target=riscv64gc-unknown-linux-gnu
    multiarch=riscv64-linux-gnu
    ;;
  *)
    echo "usage: $0 amd64|riscv64 …" >&2
    exit 2
    ;;
esac

# Whether the machine that builds is of another kind.
cross() { [ "$(dpkg --print-architecture)" != "$1" ]; }
