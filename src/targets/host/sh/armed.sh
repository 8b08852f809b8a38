cat >"$g/watch" <<'WATCH'
# Waits until it is too late, then puts back what was there. Whoever moves `armed` first has it. As the system comes up
# ($2 is `boot`) it is too late, and what was cut off is done once more.
g=$1; cd / || exit
back() { sh "$g/undo" "$g" >"$g/log" 2>&1; sync; : >"$g/over"; sync "$g"; rm -rf "$g/kept" "$g/undo"; }
forget() {
  n=lions-guard-boot-${g##*/}.service; rm -f "/etc/systemd/system/$n" "/etc/systemd/system/multi-user.target.wants/$n"
  # What undoes lets systemd read its units again, this one as well.
  [ "$(systemctl show -p LoadState --value -- "$n" 2>/dev/null)" != loaded ] || systemctl daemon-reload
}
if [ "$2" = boot ]; then
  mv -T "$g/armed" "$g/fired" 2>/dev/null
  [ ! -d "$g/fired" ] || [ -e "$g/over" ] || back
  [ -d "$g/fired" ] || rm -rf "$g"
  forget; exit 0
fi
: >"$g/alive"
while [ -d "$g/armed" ]; do
  read -r until <"$g/until"; read -r now x </proc/uptime
  if [ "${now%.*}" -ge "$until" ] || [ -e "$g/fire" ]; then
    mv -T "$g/armed" "$g/fired" 2>/dev/null || exit 0
    back; forget
    exit 0
  fi
  sleep 0.5 || sleep 1
done
WATCH
tools
later() { read -r now x </proc/uptime; echo "$((${now%.*} + $1))" >"$g/until.new" && mv -fT "$g/until.new" "$g/until"; }
if [ -d /run/systemd/system ]; then
  # Nothing that runs outlives a reboot: a unit undoes it as the system comes up.
  mkdir -p -m 755 "$w" && printf '%s\n' '[Unit]' 'Description=lions: undoes a change that a reboot left unproved' \
    "RequiresMountsFor=$g" '[Service]' "ExecStart=$H $g/watch $g boot" >"$u" && ln -s "../${u##*/}" "$w/${u##*/}" || exit 44
fi
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
