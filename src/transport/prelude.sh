# What every request may use; sent once, before the first. N is the nonce, O the locale of the login.
# Fds: 3 the payload of a guarded request, 4 the stream, 7 and 8 the relays of its output.
S=$(command -v setsid); H=$(command -v sh)

# d: a private folder, in memory where there is one.
scratch() {
  for d in /dev/shm /run /tmp; do d=$(mktemp -d "$d/.lions.XXXXXX" 2>/dev/null) && return; done
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
  { kill $o $e; wait $o $e; } 2>/dev/null
}

# The processes of the session whose number is in $d/pid.
members() {
  for s in /proc/[0-9]*/stat; do
    { read -r l <"$s"; } 2>/dev/null || continue
    l=${l##*) }; s=${s%/stat}
    set -- "$1" $l
    [ "$5" = "$1" ] && [ "$2" != Z ] && printf '%s ' "${s#/proc/}"
  done
}

# Ends them: asks, and after two seconds does not ask.
ends() {
  i=0
  until { read -r c <"$d/pid"; } 2>/dev/null; do
    i=$((i + 1)); [ $i -lt 40 ] || return
    sleep 0.05 || sleep 1
  done
  kill -TERM -"$c"
  i=0
  while m=$(members "$c"); [ -n "$m" ] && [ $i -lt 40 ]; do
    [ $i -gt 0 ] || kill -TERM $m
    [ $i -lt 20 ] || kill -KILL $m
    i=$((i + 1)); sleep 0.1 || sleep 1
  done
  kill -KILL -"$c"
}

# Called before a command starts, in its own process: folder and variables.
dress() { :; }

# guard SECONDS WORDS: runs a command as a session of its own that ends when the stream says so (any line, or its
# end), or after so many seconds (late=1). In the foreground: what is started with & ignores SIGINT for ever.
guard() {
  g=$1; shift; late=; : >"$d/pid"
  ( IFS= read -r x <&4; trap '' TERM; ends; exit 77 ) </dev/null >/dev/null 2>&1 3<&- 7>&- 8>&- & w=$!
  t=
  if [ -n "$g" ]; then
    ( trap 'kill $!; exit 1' TERM; sleep "$g" & wait $!; trap '' TERM; ends; exit 77 ) </dev/null >/dev/null 2>&1 3<&- 4<&- 7>&- 8>&- & t=$!
  fi
  {
    (
      if [ -n "$O" ]; then LC_ALL=$O; else unset LC_ALL; fi
      set -- "$S" "$H" -c 'echo $$ >"$0/pid"; exec "$@"' "$d" "$@"
      dress
      exec "$@" 3<&- 4<&- 7>&- 8>&-
    ) 2>&9 9>&-
    r=$?
  } 9>&2 2>/dev/null
  { kill $w; wait $w; } 2>/dev/null
  [ $? != 77 ] || exit 143
  if [ -n "$t" ]; then
    { kill $t; wait $t; } 2>/dev/null
    [ $? != 77 ] || late=1
  fi
  return $r
}
