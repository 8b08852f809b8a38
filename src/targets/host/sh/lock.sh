# One writer a host. RUN and WHO are ours, EXPIRE is how many seconds a silent holder keeps it. The lock is of a
# shell that lives: it ends with that, with a reboot (/run), or, when its network is gone without a sign, in time.
# Time is that since boot: clocks jump.
uptime() { read -r u x </proc/uptime && echo "${u%.*}"; }
# When process $1 began; a number alone may be another's by now.
born() { (s=$(cat "/proc/$1/stat" 2>/dev/null) && set -f && set -- ${s##*) } && echo "${20}"); }
# Does process $1 run anything? Then its shell cannot answer now.
busy() { cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | { while read -r x parent x; do [ "$parent" = "$1" ] && exit 0; done; exit 1; }; }

if [ "$(id -u)" = 0 ]; then F=/run/lions; else F=/tmp/lions-$(id -u); fi
mkdir -m 700 "$F" 2>/dev/null
[ -d "$F" ] && [ ! -L "$F" ] && [ -O "$F" ] || { echo "$F is not a folder of ours" >&2; exit 74; }
L=$F/lock
command -v flock >/dev/null || { echo "flock of util-linux is missing" >&2; exit 74; }
exec 9>>"$F/turn" && flock -w 10 9 || { echo "$F/turn cannot be had" >&2; exit 74; }
run=; who=; pid=; since=; beat=
[ -e "$L" ] && { read -r run; read -r who; read -r pid since beat; } <"$L"

# Notes the lines on standard input in the ledger, for good. A line that was cut off keeps no other from being read.
# Says `long` once every thousand lines: most of them may be about what is gone.
note() {
  [ "$(id -u)" = 0 ] || return 0
  mkdir -p -m 755 /var/lib/lions && N=/var/lib/lions/ledger && touch "$N" && chmod 600 "$N" || return
  [ -z "$(tail -c 1 "$N")" ] || echo >>"$N" || return
  n=$(wc -l <"$N"); cat >>"$N" && sync "$N" || return
  [ $((n / 1000)) = $(($(wc -l <"$N") / 1000)) ] || echo long
}
