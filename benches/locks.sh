#!/usr/bin/env bash
# What jobs share: pairs of acquire and release per second over the socket; `ganger lock db -- true`
# beside `flock FILE true`; 64 processes on 4 locks, with the CPU that the supervisor takes; 100,000
# items through a queue from 8 processes, counted, beside multiprocessing.Queue; pairs of the
# Python package beside multiprocessing.Lock.
#
#   benches/locks.sh [SECONDS] [ROUNDS]
#
# GANGER=path/to/ganger measures another binary.
. "$(dirname "$0")/common.sh"
need flock util-linux
[[ -x ${LOCK_CLIENT:-} ]] || cargo build --release --quiet --example lock_client </dev/null
client=${LOCK_CLIENT:-$PWD/target/release/examples/lock_client}
seconds=${1:-10} rounds=${2:-5} calls=200

cat > "$scratch/stand.yaml" <<YAML
tasks:
  - name: stand
    run: |
      echo "\$GANGER_SOCKET" > $scratch/socket.tmp && mv $scratch/socket.tmp $scratch/socket
      until test -e $scratch/go; do sleep 0.1; done
YAML
"$GANGER" run "$scratch/stand.yaml" --plain >/dev/null 2>&1 &
supervisor=$!
until_true test -e "$scratch/socket"
GANGER_SOCKET=$(< "$scratch/socket")
export GANGER_SOCKET

# CPU seconds of the supervisor so far: utime and stime of proc_pid_stat(5).
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hz }' "/proc/$supervisor/stat"; }
with_flock() { for _ in $(seq $calls); do flock "$scratch/lock" true; done; }
with_ganger() { for _ in $(seq $calls); do "$GANGER" lock db -- true; done; }

echo "$(machine)"
for round in $(seq "$rounds"); do
  "$client" pairs "$GANGER_SOCKET" 2 | tee -a "$scratch/pairs" | sed "s/^/round $round: /"
  seconds with_flock >> "$scratch/flock"
  seconds with_ganger >> "$scratch/ganger"
done
(cd "$scratch" && "$client" echo 2)
echo "one client over the socket: $(cut -d ' ' -f 1 "$scratch/pairs" | median) pairs/s"
awk -v f="$(median < "$scratch/flock")" -v g="$(median < "$scratch/ganger")" -v n=$calls \
  'BEGIN { printf "flock FILE true: %.2f ms; ganger lock db -- true: %.2f ms; ratio %.2f\n",
    f / n * 1000, g / n * 1000, g / f }'
before=$(cpu)
"$client" hammer "$GANGER_SOCKET" "$seconds" 64 4
awk -v a="$before" -v b="$(cpu)" -v s="$seconds" \
  'BEGIN { printf "the supervisor took %.0f%% of a core meanwhile\n", (b - a) / s * 100 }'
for batch in 1 100; do "$client" queue "$GANGER_SOCKET" 100000 8 $batch; done
if command -v python3 >/dev/null; then
  export PYTHONPATH=$PWD/python PYTHONDONTWRITEBYTECODE=1
  python3 benches/locks.py pairs
  GANGER_NO_FAST=1 python3 benches/locks.py socket-pairs
  python3 benches/locks.py queue
fi
touch "$scratch/go"
wait $supervisor
