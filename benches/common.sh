# Shared by the scripts beside it: builds ganger, makes a scratch folder, measures.
# Sourced, not run.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ganger-bench.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
# Runs of the benchmark stay out of the user's list of runs.
export XDG_STATE_HOME=$scratch/state XDG_RUNTIME_DIR=$scratch/runtime
mkdir -m 700 -p "$XDG_STATE_HOME" "$XDG_RUNTIME_DIR"

if [[ -z ${GANGER:-} ]]; then
  cargo build --release --quiet </dev/null
  GANGER=$PWD/target/release/ganger
fi

need() {
  command -v "$1" >/dev/null || { echo "needs $1 (Debian: apt-get install $2)" >&2; exit 2; }
}

# Seconds that a command takes, with microseconds; its output is dropped.
seconds() {
  local from=$EPOCHREALTIME
  "$@" >/dev/null 2>&1 </dev/null
  awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", b - a }'
}

# The median of the numbers on standard input.
median() {
  sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# Waits until a command succeeds, 60 s at most.
until_true() {
  local end=$((SECONDS + 60))
  until "$@" 2>/dev/null; do
    ((SECONDS < end)) || { echo "waited too long for: $*" >&2; exit 1; }
    sleep 0.01
  done
}

machine() {
  echo "$(nproc) CPUs, $(uname -sr), load $(cut -d ' ' -f 1 /proc/loadavg)"
}
