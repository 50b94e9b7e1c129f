#!/usr/bin/env bash
# Jobs per second: JOBS times `true` on two workers, headless and with the screen, beside
# `xargs -P2 -n1 true`. Rounds take turns, so that all three see the same machine; medians count.
#
#   benches/throughput.sh [JOBS] [ROUNDS]
#
# GANGER=path/to/ganger measures another binary.
. "$(dirname "$0")/common.sh"
need tmux tmux
jobs=${1:-5000} rounds=${2:-5}

cat > "$scratch/true.yaml" <<YAML
tasks:
  - name: "true"
    foreach: {n: {range: 1..$jobs}}
    run: ["true"]
YAML
cat > "$scratch/shell.yaml" <<YAML
tasks:
  - name: "true"
    foreach: {n: {range: 1..$jobs}}
    run: "true"
YAML

xargs_true() { seq "$jobs" | xargs -P2 -n1 true; }
# The same work as `run: "true"`: a shell for each job.
xargs_shell() { seq "$jobs" | xargs -P2 -n1 sh -c true; }
headless() { "$GANGER" run "$scratch/$1.yaml" -j2 --plain --output none; }

# The screen stays when the run has ended: the report says when that was.
screen() {
  local report=$scratch/report.json tmux=(tmux -L "ganger-bench-$$" -f /dev/null)
  rm -f "$report"
  "${tmux[@]}" new-session -d -x 120 -y 40 \
    "$GANGER run $scratch/true.yaml -j2 --report $report"
  until_true test -s "$report"
  "${tmux[@]}" kill-server
}

echo "$(machine); $jobs jobs, $rounds rounds"
for round in $(seq "$rounds"); do
  seconds xargs_true >> "$scratch/xargs_true"
  seconds headless true >> "$scratch/headless"
  seconds screen >> "$scratch/screen"
  seconds xargs_shell >> "$scratch/xargs_shell"
  seconds headless shell >> "$scratch/shell"
  echo "round $round: xargs $(tail -n1 "$scratch/xargs_true") s," \
    "headless $(tail -n1 "$scratch/headless") s, screen $(tail -n1 "$scratch/screen") s"
done

line() { # name, file, file to compare with
  awk -v name="$1" -v t="$(median < "$scratch/$2")" -v base="$(median < "$scratch/$3")" \
    -v jobs="$jobs" 'BEGIN { printf "%-28s %8.0f jobs/s   %.2f x xargs\n", name, jobs / t, base / t }'
}
line "xargs -P2 -n1 true" xargs_true xargs_true
line "ganger, list" headless xargs_true
line "ganger, list, with screen" screen xargs_true
line "xargs -P2 -n1 sh -c true" xargs_shell xargs_shell
line "ganger, shell text" shell xargs_shell
