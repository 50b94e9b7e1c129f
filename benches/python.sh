#!/usr/bin/env bash
# What the cargo feature `python` costs: time of a release build from nothing, size of the binary.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cargo fetch --locked --quiet
echo "$(nproc) cores, $(rustc --version)"
for features in "" "--no-default-features"; do
  # shellcheck disable=SC2086
  began=$(date +%s%N)
  cargo build --release --locked --quiet $features --target-dir "$scratch/${features:-with}"
  seconds=$((($(date +%s%N) - began) / 1000000000))
  size=$(stat -c %s "$scratch/${features:-with}/release/ganger")
  crates=$(cargo tree --locked --prefix none $features --edges normal | sort -u | wc -l)
  printf '%-24s %4d s  %9d bytes  %d crates\n' "${features:-with python}" "$seconds" "$size" "$crates"
done
