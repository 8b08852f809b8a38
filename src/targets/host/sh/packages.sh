# UPDATE: refresh the lists? REMOVE, PURGE, INSTALL: words for apt-get. What is begun is brought to its end, also when nobody
# listens any more: apt writes to a file, and what is told is read from there.
d=; trap '[ -z "$d" ] || rm -rf "$d"' EXIT; trap '' HUP PIPE
scratch || exit 70
: >"$d/log"
sleep infinity & s=$!
tail -n +1 -f -s 0.1 --pid="$s" "$d/log" 2>/dev/null & t=$!
ended() { r=$1; kill "$s"; wait "$t"; exit "$r"; }

# Asks nothing, keeps the configuration files that are there, restarts nothing that the plan does not show.
export DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1
# What packages set up (a database) may depend on the locale of the system.
own() { if [ -n "$O" ]; then LC_ALL=$O; else unset LC_ALL; fi; "$@" >>"$d/log" 2>&1 </dev/null; }
try() {
  ( own apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
      -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 -o Acquire::Retries=2 "$@" )
}
interrupted() { for f in /var/lib/dpkg/updates/[0-9]*; do [ ! -e "$f" ] || return 0; done; return 1; }
apt() {
  try "$@" && return
  r=$?
  interrupted || return $r
  ( own dpkg --force-confdef --force-confold --configure -a ) || return
  try "$@"
}

if [ -n "$UPDATE" ]; then
  i=0
  while :; do
    apt-get -q -o APT::Update::Error-Mode=any -o Acquire::Retries=2 update >"$d/update" 2>&1 </dev/null
    r=$?
    [ $r != 0 ] && [ $i -lt 60 ] && grep -q 'Could not get lock' "$d/update" || break
    i=$((i + 1)); sleep 5
  done
  cat "$d/update" >>"$d/log"
  [ $r = 0 ] || ended 61
  touch /var/lib/apt/lists
fi
if [ -n "$REMOVE" ]; then
  apt-get -s -q ${PURGE:-remove} -- $REMOVE >"$d/plan" 2>>"$d/log" </dev/null || ended 62
  for n in $(sed -n 's/^\(Remv\|Purg\) \([^ ]*\) .*/\2/p' "$d/plan"); do
    case " $REMOVE " in *" $n "*) ;; *) printf '%s\n' "$n" >&2; ended 48 ;; esac
  done
  apt ${PURGE:-remove} -- $REMOVE || ended 62
fi
if [ -n "$INSTALL" ]; then
  apt --no-remove $DOWNGRADE install -- $INSTALL || ended 63
fi
ended 0
