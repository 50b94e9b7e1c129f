#!/usr/bin/env bash
# A job that prints a lot: time beside the same command writing into a file by itself, and the
# peak memory of the supervisor, which must not depend on the size.
#
#   benches/output.sh [MEBIBYTES] [ROUNDS]
. "$(dirname "$0")/common.sh"
mib=${1:-1024} rounds=${2:-3}

head -c "${mib}M" /dev/zero | tr '\0' x | fold -w 99 > "$scratch/big"

# The job says how much memory its parent, the supervisor, has taken at the end.
task_file() { # name, file to print
  cat > "$scratch/$1.yaml" <<YAML
workers: 1
tasks:
  - name: cat
    run: |
      cat $2
      awk '/VmHWM/ { print \$2 * 1024 }' /proc/\$PPID/status > $scratch/peak
YAML
}
task_file big "$scratch/big"
task_file small /dev/null

by_hand() { cat "$scratch/big" > "$scratch/copy"; }
by_ganger() { "$GANGER" run "$scratch/$1.yaml" --plain --output none; }

echo "$(machine); $mib MiB, $rounds rounds"
for _ in $(seq "$rounds"); do
  rm -rf "$scratch/copy" "$XDG_STATE_HOME"/*
  seconds by_hand >> "$scratch/hand"
  rm -f "$scratch/copy"
  seconds by_ganger small >> "$scratch/nothing"
  cat "$scratch/peak" >> "$scratch/peak_small"
  seconds by_ganger big >> "$scratch/ganger"
  cat "$scratch/peak" >> "$scratch/peak_big"
done
awk -v hand="$(median < "$scratch/hand")" -v ganger="$(median < "$scratch/ganger")" \
  -v small="$(median < "$scratch/peak_small")" -v big="$(median < "$scratch/peak_big")" \
  -v mib="$mib" 'BEGIN {
    printf "cat into a file: %.0f MiB/s; as a job: %.0f MiB/s (%.2f x)\n",
      mib / hand, mib / ganger, hand / ganger
    printf "peak memory of ganger: %.1f MB for nothing, %.1f MB for %d MiB\n",
      small / 1e6, big / 1e6, mib
  }'
