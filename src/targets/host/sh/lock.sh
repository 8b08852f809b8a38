# One writer a host. RUN and WHO are ours, EXPIRE is how many seconds a silent holder keeps it. The lock is of a
# shell that lives: it ends with that, with a reboot (/run), or, when its network is gone without a sign, in time.
# Time (u) is that since boot: clocks jump.
# Into b, when process $1 began; a number alone may be another's by now.
born() {
  b= s=
  { while read -r x || [ -n "$x" ]; do s="$s $x"; done <"/proc/$1/stat"; } 2>/dev/null
  set -- ${s##*) }; b=${20-}
}
# Does process $1 run anything? Then its shell cannot answer now.
busy() { cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | { while read -r x parent x; do [ "$parent" = "$1" ] && exit 0; done; exit 1; }; }

I=$(id -u)
if [ "$I" = 0 ]; then F=/run/lions; else F=/tmp/lions-$I; fi
[ -d "$F" ] || mkdir -m 700 "$F" 2>/dev/null
[ -d "$F" ] && [ ! -L "$F" ] && [ -O "$F" ] || { echo "$F is not a folder of ours" >&2; exit 74; }
L=$F/lock
command -v flock >/dev/null || { echo "flock of util-linux is missing" >&2; exit 74; }
exec 9>>"$F/turn" && flock -w 10 9 || { echo "$F/turn cannot be had" >&2; exit 74; }
read -r u x </proc/uptime && u=${u%.*}
run=; who=; pid=; since=; beat=
[ -e "$L" ] && { read -r run; read -r who; read -r pid since beat; } <"$L"

# Notes the lines on standard input in the ledger, for good. A line that was cut off keeps no other from being read.
# Says `long` once every thousand lines: most of them may be about what is gone.
note() {
  [ "$I" = 0 ] || return 0
  mkdir -p -m 755 /var/lib/lions && N=/var/lib/lions/ledger && touch "$N" && chmod 600 "$N" || return
  [ -z "$(tail -c 1 "$N")" ] || echo >>"$N" || return
  n=$(wc -l <"$N"); cat >>"$N" && sync "$N" || return
  [ $((n / 1000)) = $(($(wc -l <"$N") / 1000)) ] || echo long
}

# A switch of another run that is gone will undo what that changed: nobody builds on it. What one of an earlier boot
# does, it does as the system comes up.
armed() {
  [ "$I" = 0 ] || return 0
  for g in /var/lib/lions/guard/*/armed; do
    g=${g%/armed}
    [ -d "$g/armed" ] && [ -e "$g/holder" ] && [ -e "$g/until" ] || continue
    { read -r r; read -r w; read -r o; } <"$g/holder"; read -r t <"$g/until"; t=$((t - u))
    [ "$r" != "$RUN" ] && [ "$o" = "${B%.*}" ] && [ $t -gt -60 ] || continue
    printf '%s\n%s\n' "$w" "$t"; exit 78
  done
}
