# What every request may use; sent once, before the first. N is the nonce, O the locale of the login, B what the names
# of temporary files begin with: this boot and this shell, so that what a killed one left can be told from what is used.
# Fds: 3 the payload of a guarded request, 4 the stream, 7 and 8 the relays of its output.
B=; { read -r B </proc/sys/kernel/random/boot_id; } 2>/dev/null; B=.lions.${B%%-*}.$$

# Takes away what shells of ours left in the folder $1 that are gone: killed, or cut off by a reboot.
sweep() {
  for x in "$1"/.lions.*.*.??????; do
    [ -O "$x" ] || { [ -L "$x" ] && [ -O "$1" ]; } || continue
    y=${x##*/}; y=${y%.*}
    [ "${y%.*}" = "${B%.*}" ] && [ -e "/proc/${y##*.}" ] && continue
    rm -rf -- "$x"
  done
}

# d: a private folder, in memory where there is one.
scratch() {
  for d in /dev/shm /run /tmp; do
    sweep "$d"
    d=$(mktemp -d "$d/$B.XXXXXX" 2>/dev/null) && return
  done
  d=$(mktemp -d)
}

# Takes the $1 bytes that follow in the stream, whatever comes of them, and opens them as fd 3.
take() {
  [ "$1" -gt 0 ] || { exec 3</dev/null; return; }
  dd bs=65536 iflag=fullblock,count_bytes count="$1" 2>/dev/null <&4 |
    { cat >"$d/in"; r=$?; cat >/dev/null; exit $r; } || return
  [ "$(wc -c <"$d/in")" -eq "$1" ] || { echo "the input was cut short" >&2; return 1; }
  exec 3<"$d/in"; rm "$d/in"
}

# Output goes through pipes that end with the request: a child left in the background cannot write into a later one.
relay() {
  mkfifo -m 600 "$d/o" "$d/e" || return
  cat <"$d/o" 3<&- 4<&- & o=$!
  cat <"$d/e" >&2 3<&- 4<&- & e=$!
  exec 7>"$d/o" 8>"$d/e"
}

# Says that request $1 ended with status $2, and waits until all of that was read on the other side.
finish() {
  trap '' PIPE
  { printf '\036%s %s %s +\n' "$N" "$1" "$2" >&7; printf '\036%s %s +\n' "$N" "$1" >&8; } 2>/dev/null
  exec 7>&- 8>&-
  while IFS= read -r x <&4; do [ "$x" = "$N done" ] && break; done
  { kill -9 $o $e; wait $o $e; } 2>/dev/null
}

# The processes of session $1. Called in a subshell: it alters how words are split.
members() {
  v=$1; l=$(cat /proc/[0-9]*/stat 2>/dev/null); set -f
  IFS='
'
  for s in $l; do
    IFS=' '
    set -- ${s##*) }
    [ "$4" = "$v" ] && [ "$1" != Z ] && printf '%s ' "${s%% *}"
  done
}

# Ends the session whose number is in $d/pid: asks, and after two seconds does not ask.
ends() {
  i=0
  until { read -r c <"$d/pid"; } 2>/dev/null; do
    i=$((i + 1)); [ $i -lt 40 ] || return
    sleep 0.05 || sleep 1
  done
  kill -TERM -"$c"; how=TERM
  for i in 0.1 0.2 0.3 0.4 0.5 0.5 0.1 0.1 0.1 0.1; do
    m=$(members "$c")
    [ -n "$m" ] || return
    [ -z "$how" ] || kill -$how $m
    sleep $i || sleep 1
    case $i in 0.5) how=KILL ;; *) [ "$how" = KILL ] || how= ;; esac
  done
}

# Called before a command starts, in its own process: folder and variables.
dress() { :; }

# Found before a command alters where one looks, and only where one is run.
tools() { [ -n "${H-}" ] || { S=$(command -v setsid); H=$(command -v sh); }; }

# guard SECONDS WORDS: runs a command as a session of its own that ends when the stream says so (any line, or its
# end), or after so many seconds (late=1). In the foreground: what is started with & ignores SIGINT for ever.
# The watchers are ended with SIGKILL: mksh loses other signals that come right after a fork.
guard() {
  tools; g=$1; shift; late=; : >"$d/pid"; [ ! -e "$d/late" ] || rm "$d/late"
  ( IFS= read -r x <&4; : >"$d/fired"; ends ) </dev/null >/dev/null 2>&1 3<&- 7>&- 8>&- & w=$!
  t=
  if [ -n "$g" ]; then
    (
      while [ "$g" -gt 0 ]; do sleep 1; g=$((g - 1)); done
      : >"$d/late"; ends
    ) </dev/null >/dev/null 2>&1 3<&- 4<&- 7>&- 8>&- & t=$!
  fi
  {
    (
      if [ -n "$O" ]; then LC_ALL=$O; else unset LC_ALL; fi
      set -- "$S" "$H" -c 'echo $$ >"$0/pid"; exec "$@"' "$d" "$@"
      dress
      exec "$@" 3<&- 4<&- 7>&- 8>&-
    ) 2>&9 9>&-
    r=$?
    [ -e "$d/fired" ] || kill -9 $w
    wait $w
    if [ -e "$d/fired" ]; then [ -z "$t" ] || kill -9 $t; ends; exit 143; fi
    if [ -n "$t" ]; then
      [ -e "$d/late" ] || kill -9 $t
      wait $t
      if [ -e "$d/late" ]; then ends; late=1; fi
    fi
  } 9>&2 2>/dev/null
  return $r
}
