# Sourced by `test` and `soak`: runs steps one after another, each with a line of progress, and sums up what they counted.

logs=$root/build/test
rm -rf "$logs"
mkdir -p "$logs"
passed=0 failed=0 skipped=0
current=
export NO_COLOR=1
unset FORCE_COLOR

# A step is a process group of its own, so that it can be ended with all that it started and nothing else.
end_current() {
  [ -n "$current" ] || return 0
  kill -TERM -- "-$current" 2>/dev/null || return 0
  local wait
  for wait in {1..100}; do
    kill -0 -- "-$current" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL -- "-$current" 2>/dev/null || true
}
clean_up() {
  end_current
  [ ! -e dist/lab/clean.js ] || node dist/lab/clean.js || true
  give_back build dist node_modules
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

clock() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }
report() { printf '[%s] %s\n' "$(clock)" "$*"; }

# Prints "passed failed skipped" for a finished step: $1 how it counts, $2 its exit status, $3 its log, $4 vitest's report.
count() {
  case $1 in
    none) if [ "$2" = 0 ]; then echo 0 0 0; else echo 0 1 0; fi ;;
    single) if [ "$2" = 0 ]; then echo 1 0 0; else echo 0 1 0; fi ;;
    vitest) node scripts/count-vitest.mjs "$4" "$2" ;;
    doctest)
      # A program that was killed before its summary, or ended badly after it, prints "crashed NAME".
      awk '/^\[doctest\] test cases:/ { gsub(/\|/, ""); p += $5; f += $7; s += $9 } /^crashed / { f++ }
        END { if (status != 0 && !f) f = 1; print p + 0, f + 0, s + 0 }' status="$2" "$3"
      ;;
    fuzz) awk '/^fuzzer passed / { p++ } /^fuzzer failed / { f++ } END { if (status != 0 && !f) f = 1; print p + 0, f + 0, 0 }' status="$2" "$3" ;;
  esac
}

# run_step NAME HOW COMMAND…: HOW is how its tests are counted. A failure is summed up and the next step runs all the same.
run_step() {
  local name=$1 how=$2 began=$SECONDS status=0 log json p f s
  shift 2
  log=$logs/$(tr -c 'a-zA-Z0-9\n' - <<<"$name").log
  json=${log%.log}.json
  report "$name"
  if [ "$how" = vitest ]; then set -- "$@" --reporter=verbose --reporter=json --outputFile.json="$json"; fi
  setsid "$@" </dev/null >"$log" 2>&1 &
  current=$!
  while kill -0 "$current" 2>/dev/null; do
    for _ in {1..150}; do
      kill -0 "$current" 2>/dev/null || break 2
      sleep 0.1
    done
    report "  still at it ($((SECONDS - began)) s): $(tail -n 1 "$log" | cut -c 1-100)"
  done
  wait "$current" || status=$?
  current=
  read -r p f s < <(count "$how" "$status" "$log" "$json")
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  if [ "$f" != 0 ]; then
    printf -- '----- %s (status %s)\n' "$name" "$status"
    tail -n 400 "$log"
    printf -- '-----\n'
  fi
  report "  $([ "$how" = none ] && [ "$f" = 0 ] && echo done || echo "$p passed, $f failed, $s skipped"), $((SECONDS - began)) s"
}

# Likewise, for a step without which the rest makes no sense.
require_step() {
  local before=$failed
  run_step "$@"
  [ "$failed" = "$before" ] || finish
}

# The last line, and status 0 only when something ran and nothing failed.
finish() {
  trap - EXIT
  clean_up
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
  exit
}
