#!/usr/bin/env bash
# Makes a picture of ganger in a real terminal: kitty on a virtual display, drawn by software.
#
#   screenshots/make.sh all                                # every picture of the documentation
#   screenshots/make.sh                                    # screenshots/run.png
#   screenshots/make.sh -f tasks/sweep.yaml -o sweep.png -s 120x36 -w 8 -k '\e[B\r'
#
#   -f FILE     task file to run                    (tasks/compress.yaml)
#   -o FILE     picture to write                    (screenshots/run.png)
#   -s WxH      size of the terminal in characters  (132x34)
#   -w SECONDS  how long it runs before the picture (10)
#   -k KEYS     keys to press then, as printf's %b writes them; the picture is taken a second
#               later                               (jjj)
#   -a ARGS     further arguments for `ganger run`  (-j8)
#   -x FILE     run this Python program instead, and look at it with `ganger xray`
#   -t FILE     also write the screen's text there
#
# Debian: apt-get install xvfb xauth kitty imagemagick xdotool fonts-jetbrains-mono libgl1-mesa-dri
set -euo pipefail
cd "$(dirname "$0")/.."

# Every picture of the documentation: file, task file, size, seconds, keys, arguments.
pictures() {
  cat <<'TABLE'
run.png|tasks/compress.yaml|132x36|3|jjj|-j8
overview-80x24.png|tasks/compress.yaml|80x24|4|j|-j4
overview-200x50.png|tasks/sweep.yaml|200x50|8|jj|-j6 --set steps=6000000
workers.png|tasks/sweep.yaml|132x30|14|3m|-j8 --set steps=6000000
alerts.png|tasks/hung.yaml|120x32|14|4|
kill.png|tasks/hung.yaml|100x28|14|K|
jobs.png|tasks/sweep.yaml|132x36|12|6|-j6 --set steps=6000000
tasks.png|tasks/logs.yaml|120x30|6|6a|
output.png|tasks/compress.yaml|120x34|9|5maT|-j4
timeline.png|tasks/sweep.yaml|132x36|14|7|-j6 --set steps=6000000
events.png|tasks/flaky.yaml|120x30|9|8|
palette.png|tasks/sweep.yaml|110x32|8|:pri|-j4 --set steps=6000000
locks.png|tasks/pipeline.yaml|120x36|16|9|--set n=3000
deadlock.png|tasks/philosophers.yaml|120x36|6|oK|
waits.png|tasks/lockout.yaml|132x34|8|W|
xray.png||132x36|8|W|-x screenshots/pool.py
matrix.png|tasks/philosophers.yaml|100x30|6|9v|
light.png|tasks/compress.yaml|110x32|9|jj|-j6 --theme light
colorblind.png|tasks/compress.yaml|110x32|9|jj|-j6 --theme colorblind
nord.png|tasks/compress.yaml|110x32|9|jj|-j6 --theme nord
TABLE
}
if [[ ${1:-} == all ]]; then
  pictures | while IFS='|' read -r out file size wait keys args; do
    [[ -z ${2:-} || $out == "$2" ]] || continue
    if [[ $args == -x\ * ]]; then
      "$0" -x "${args#-x }" -o "screenshots/$out" -s "$size" -w "$wait" -k "$keys" </dev/null
    else
      "$0" -f "$file" -o "screenshots/$out" -s "$size" -w "$wait" -k "$keys" -a "$args" </dev/null
    fi
  done
  exit
fi

file=tasks/compress.yaml out=screenshots/run.png size=132x34 wait=10 keys=jjj args=-j8 text='' program=''
while getopts f:o:s:w:k:a:t:x: option; do
  case $option in
    f) file=$OPTARG ;; o) out=$OPTARG ;; s) size=$OPTARG ;; w) wait=$OPTARG ;;
    k) keys=$OPTARG ;; a) args=$OPTARG ;; t) text=$OPTARG ;; x) program=$OPTARG ;;
    *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
  esac
done

for tool in xvfb-run kitty import xdotool; do
  command -v "$tool" >/dev/null || {
    echo "needs $tool: apt-get install xvfb xauth kitty imagemagick xdotool" \
      "fonts-jetbrains-mono libgl1-mesa-dri" >&2
    exit 2
  }
done

if [[ -z ${GANGER:-} ]]; then
  cargo build --release --quiet </dev/null
  GANGER=$PWD/target/release/ganger
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/ganger-shot.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mkdir -m 700 "$scratch/run" "$scratch/home"
# Nothing of the user's own settings shows up in the picture, and nothing is left behind.
export HOME=$scratch/home XDG_RUNTIME_DIR=$scratch/run LANG=C.UTF-8 LIBGL_ALWAYS_SOFTWARE=1
unset XDG_STATE_HOME XDG_CONFIG_HOME NO_COLOR
export GANGER file out size wait keys args text scratch program

shoot() {
  local socket=unix:$XDG_RUNTIME_DIR/kitty
  local what=("$GANGER" run "$file")
  if [[ -n $program ]]; then
    # A session of its own: what it starts is found again by its group, and ended with it.
    setsid python3 "$program" &
    foreign=$!
    args='' what=("$GANGER" xray "$foreign")
  fi
  # shellcheck disable=SC2086  # the arguments are words
  kitty --config NONE --listen-on "$socket" -o allow_remote_control=yes \
    -o font_family="JetBrains Mono" -o font_size=14 -o window_padding_width=6 \
    -o initial_window_width="${size%x*}c" -o initial_window_height="${size#*x}c" \
    -o remember_window_size=no -o background=#161821 -o cursor_blink_interval=0 \
    -o update_check_interval=0 -o confirm_os_window_close=0 \
    "${what[@]}" $args &
  kitty=$!
  # A vanished terminal ends the run properly.
  trap 'kill "$kitty" 2>/dev/null; wait "$kitty" || true
    [[ -z ${foreign:-} ]] || kill -KILL -- "-$foreign" 2>/dev/null || true' EXIT
  # A busy machine needs a while until the window is there.
  for _ in {1..300}; do
    kitty @ --to "$socket" ls >/dev/null 2>&1 && break
    kill -0 "$kitty" || { echo "the terminal or ganger has ended" >&2; exit 1; }
    sleep 0.1
  done
  sleep "$wait"
  # One by one, as a person types: a panel asks for what it shows when it opens.
  local typed one=$'^(\e\\[[A-Z]|.)(.*)$'
  typed=$(printf '%bx' "$keys") typed=${typed%x}
  while [[ $typed =~ $one ]]; do
    printf %s "${BASH_REMATCH[1]}" | kitty @ --to "$socket" send-text --stdin
    typed=${BASH_REMATCH[2]}
    sleep 0.6
  done
  sleep 0.4
  [[ -z $text ]] || kitty @ --to "$socket" get-text > "$text"
  import -window "$(xdotool search --onlyvisible --class kitty | head -n 1)" "$out"
}

# As text: the shell of xvfb-run does not hand on functions.
xvfb-run -a -e /dev/stderr -s "-screen 0 2600x1600x24 +extension GLX" bash -euc "$(declare -f shoot); shoot"
echo "$out: $(identify -format '%wx%h' "$out")"
