#!/bin/bash
# Jobs of shells, and the tools that they use: bash shell.sh SCENARIO
role() { echo "role $1 $BASHPID $BASHPID" >&3; }
exec 3>&1
d=$(mktemp -d)
# Nothing of the folder is needed once everything is open; those that need it by name keep it.
forget() { rm -rf "$d"; }
# Waits until a file is there.
until_there() { until [[ -e $1 ]]; do sleep 0.01; done; }

flock_nested_abba() {  # flock as people call it: flock FILE COMMAND, one inside the other
  role parent
  inner() { echo "role $1 $$ $$" >&3; touch "$d/has$2"; until [[ -e $d/has$3 ]]; do sleep 0.01; done; exec flock "$d/$3" true; }
  export -f inner
  export d
  flock "$d/1" bash -c 'inner left 1 2' &
  flock "$d/2" bash -c 'inner right 2 1' &
  wait
}
flock_ring() {
  role parent
  for i in 0 1 2; do
    ( n=$(((i + 1) % 3)); exec 8>"$d/$i" 9>"$d/$n"; flock 8; role "p$i"; touch "$d/has$i"; until_there "$d/has$n"; exec flock 9 ) &
  done
  wait
}
flock_and_pipe() {  # The holder of the lock reads what the one that waits for it should write.
  exec 6> >(exec 9>"$d/a"; flock 9; role holder; touch "$d/held"; exec cat >/dev/null)
  exec 8>"$d/a"
  until_there "$d/held"
  role parent
  exec flock 8
}
coproc_both_read() {  # The shell reads the coprocess, which reads the shell.
  coproc C { role child; exec cat; }
  role parent
  read -r line <&"${C[0]}"
}
wait_under_flock() {
  exec 8>"$d/a"
  flock 8
  role parent
  ( exec 8>&-; role child; exec flock "$d/a" true ) &
  wait
}
ok_yes_into_sleep() { role parent; yes | { role sleeper; exec sleep 600; }; }
ok_cat_terminal() { role parent; cat; }
ok_cat_fifo() { mkfifo "$d/p"; role parent; cat "$d/p"; }
ok_tail() { echo x >"$d/log"; role parent; tail -f "$d/log"; }
ok_read() { role parent; read -r line; echo "$line"; }
ok_sleep_pipeline() { role parent; sleep 600 | sort | uniq -c; }
ok_flock_sleeper() {
  role parent
  ( exec 8>"$d/a"; flock 8; role holder; touch "$d/held"; exec sleep 600 ) &
  until_there "$d/held"
  ( role waiter; exec flock "$d/a" true ) &
  wait
}
ok_flock_timeout() {
  role parent
  ( exec 8>"$d/a" 9>"$d/b"; flock 8; role left; touch "$d/hasa"; until_there "$d/hasb"; exec flock -w 600 9 ) &
  ( exec 8>"$d/a" 9>"$d/b"; flock 9; role right; touch "$d/hasb"; until_there "$d/hasa"; exec flock -w 600 8 ) &
  wait
}
ok_flock_of_job() {  # Two readers sleep, a writer waits.
  role parent
  for i in 1 2; do ( exec 8>"$d/a"; flock -s 8; role "reader$i"; touch "$d/r$i"; exec sleep 600 ) & done
  until_there "$d/r1"; until_there "$d/r2"
  ( role writer; exec flock "$d/a" true ) &
  wait
}
ok_wait_jobs() { role parent; sleep 600 & sleep 601 & wait; }
ok_wait_trap() { trap 'exit 0' TERM; role parent; while :; do sleep 600 & wait; done; }
ok_make() {
  printf 'all: a b c\na b c:\n\tsleep 600\n' >"$d/Makefile"
  role parent
  exec make -s -j2 -C "$d"
}
ok_xargs() { role parent; seq 4 | xargs -P 2 -I{} sleep 600; }
ok_subshells() { role parent; ( ( ( sleep 600 ) ) ); echo "$(sleep 600)"; }
ok_fifo_server() { mkfifo "$d/p"; role parent; while read -r line <"$d/p"; do echo "$line"; done; }
ok_timeout() { role parent; timeout 600 cat; }

"$1"
