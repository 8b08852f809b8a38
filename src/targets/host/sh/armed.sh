cat >"$g/watch" <<'WATCH'
# Waits until it is too late, then puts back what was there. Whoever moves `armed` first has it.
g=$1; cd / || exit
: >"$g/alive"
while [ -d "$g/armed" ]; do
  read -r until <"$g/until"; read -r now x </proc/uptime
  if [ "${now%.*}" -ge "$until" ] || [ -e "$g/fire" ]; then
    mv -T "$g/armed" "$g/fired" 2>/dev/null || exit 0
    sh "$g/undo" "$g" >"$g/log" 2>&1
    sync; rm -rf "$g/kept" "$g/undo"; : >"$g/over"
    exit 0
  fi
  sleep 0.5 || sleep 1
done
WATCH
later() { read -r now x </proc/uptime; echo "$((${now%.*} + $1))" >"$g/until.new" && mv -fT "$g/until.new" "$g/until"; }
later "$SECONDS_LEFT" && sync || exit 44
if [ -d /run/systemd/system ]; then
  systemd-run --quiet --collect --unit="lions-guard-${g##*/}" --description='lions: undoes a change unless the way in is proved' \
    "$H" "$g/watch" "$g" >&2 </dev/null || exit 78
else
  "$S" "$H" "$g/watch" "$g" </dev/null >/dev/null 2>&1 &
fi
i=0
until [ -e "$g/alive" ]; do i=$((i + 1)); [ $i -lt 50 ] || exit 78; sleep 0.1 || sleep 1; done
trap - EXIT
printf '%s' "${g##*/}"
