#!/usr/bin/env bash
# A million jobs from a range: how long until the first of them runs, and how much memory that
# takes. The first job writes down the time and stops the run; its supervisor is its parent.
#
#   benches/million.sh [JOBS] [ROUNDS]
. "$(dirname "$0")/common.sh"
jobs=${1:-1000000} rounds=${2:-5}

cat > "$scratch/million.yaml" <<YAML
workers: 1
tasks:
  - name: one
    foreach: {n: {range: 1..$jobs}}
    on_failure: stop
    run: |
      date +%s.%N > $scratch/first
      awk '/VmHWM/ { print \$2 * 1024 }' /proc/\$PPID/status > $scratch/peak
      exit 1
YAML

echo "$(machine); $jobs jobs, $rounds rounds"
for _ in $(seq "$rounds"); do
  from=$EPOCHREALTIME
  "$GANGER" run "$scratch/million.yaml" --plain --output none >/dev/null 2>&1 </dev/null || true
  awk -v a="$from" -v b="$(cat "$scratch/first")" 'BEGIN { print b - a }' >> "$scratch/times"
  awk -v a="$from" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }' >> "$scratch/ends"
  cat "$scratch/peak" >> "$scratch/peaks"
done
awk -v t="$(median < "$scratch/times")" -v e="$(median < "$scratch/ends")" \
  -v p="$(median < "$scratch/peaks")" 'BEGIN {
    printf "first job after %.0f ms, end of the run after %.0f ms, peak %.1f MB\n",
      t * 1e3, e * 1e3, p / 1e6
  }'
