#!/usr/bin/env bash
# What one job costs beyond itself: `ganger run` of a file with one `true`, from start to exit,
# less `true` started by the same shell. Rounds take turns; medians count.
#
#   benches/startup.sh [ROUNDS]
. "$(dirname "$0")/common.sh"
rounds=${1:-51}

printf 'tasks:\n  - {name: one, run: ["true"]}\n' > "$scratch/one.yaml"
true_bin=$(type -P true)

echo "$(machine); $rounds rounds"
for _ in $(seq "$rounds"); do
  seconds "$true_bin" >> "$scratch/job"
  seconds "$GANGER" run "$scratch/one.yaml" --plain --output none >> "$scratch/run"
done
awk -v job="$(median < "$scratch/job")" -v run="$(median < "$scratch/run")" 'BEGIN {
  printf "true: %.1f ms; ganger run of it: %.1f ms; ganger itself: %.1f ms\n",
    job * 1e3, run * 1e3, (run - job) * 1e3
}'
