#!/bin/bash
#! lab fault WHAT hN [ARGUMENT]: breaks one host, and mends it. Sourced by `lab`.
#
#   blackhole, mend       drops every packet: a connection times out, sessions hang (mend also ends reject, loss, delay)
#   reject                new connections are refused, those that flow are cut
#   unplug, plug          the cable
#   loss PERCENT          packets go missing, both ways
#   delay MILLISECONDS    more on every round trip
#   cut                   ends all sessions at once; the daemon lives on
#   sshd-stop, sshd-start the daemon; sessions live on
#   freeze, thaw          all processes stop: TCP stays up, nothing answers
#   small PATH SIZE       mounts a disk of SIZE on PATH
#   fill PATH, empty PATH fills the disk that PATH is on
#   readonly, writable    / cannot be written
#   clock DAYS            the host's clock, off by so many days (+365, -365) for all that starts from now on
#   reboot                as the host does it; it comes back by itself
#   powercut, poweron     ends the host at once; starts it again with the same disk
what=${1:-} host=${2:-} argument=${3:-} more=${4:-}
folder=$LAB_RUN/$host namespace=$(host_namespace "$host") group=$(cgroup_tree)/$LAB_CGROUP/$host/payload

in_net() { ip netns exec "$namespace" "$@"; }
mangle() { in_net iptables -w 5 -t mangle "$@"; }
refusal() { in_net iptables -w 5 "$1" INPUT -i eth0 -p tcp -j REJECT --reject-with tcp-reset; }

chains() {
  local chain
  for chain in LABIN LABOUT; do mangle -n -L $chain >/dev/null 2>&1 || mangle -N $chain; done
  mangle -C PREROUTING -i eth0 -j LABIN 2>/dev/null || mangle -I PREROUTING -i eth0 -j LABIN
  mangle -C POSTROUTING -o eth0 -j LABOUT 2>/dev/null || mangle -I POSTROUTING -o eth0 -j LABOUT
}

mend() {
  chains
  mangle -F LABIN
  mangle -F LABOUT
  while refusal -D 2>/dev/null; do :; done
  if [ -f "$folder/delay.pid" ]; then kill "$(cat "$folder/delay.pid")" 2>/dev/null; rm -f "$folder/delay.pid"; fi
  ip link set "$(host_link "$host")" up
}

both() { mangle -A LABIN "$@" && mangle -A LABOUT "$@"; }

delay() {
  # half of it each way
  local half
  half=$(awk -v all="$argument" 'BEGIN { print all / 2 }')
  in_net setsid python3 "$LAB_HERE/delay.py" "0=$half" "1=$half" </dev/null >"$folder/delay.log" 2>&1 &
  echo $! >"$folder/delay.pid"
  for _ in $(seq 100); do grep -q ready "$folder/delay.log" && break; sleep 0.05; done
  grep -q ready "$folder/delay.log" || { cat "$folder/delay.log" >&2; die "no delay"; }
  mangle -A LABIN -j NFQUEUE --queue-num 0 --queue-bypass && mangle -A LABOUT -j NFQUEUE --queue-num 1 --queue-bypass
}

[ -z "$host" ] || [ -d "$folder" ] || die "there is no $host"
case $what in
  blackhole) mend; both -j DROP ;;
  reject) mend; refusal -I ;;
  mend) mend ;;
  loss) mend; both -m statistic --mode random --probability "$(awk -v part="$argument" 'BEGIN { print part / 100 }')" -j DROP ;;
  delay) mend; delay ;;
  unplug) ip link set "$(host_link "$host")" down ;;
  plug) ip link set "$(host_link "$host")" up ;;
  cut) [ ! -d "$group/user.slice" ] || echo 1 >"$group/user.slice/cgroup.kill" ;;
  sshd-stop) host_exec "$host" systemctl stop ssh ;;
  sshd-start) host_exec "$host" systemctl start ssh ;;
  freeze) echo 1 >"$group/cgroup.freeze" ;;
  thaw) echo 0 >"$group/cgroup.freeze" ;;
  small) host_exec "$host" sh -c 'mkdir -p "$1" && mount -t tmpfs -o "size=$2" small "$1"' sh "$argument" "$more" ;;
  fill) host_exec "$host" sh -c 'cat /dev/zero >"$1/lab-fill" 2>/dev/null; test -s "$1/lab-fill"' sh "$argument" ;;
  empty) host_exec "$host" rm -f "$argument/lab-fill" ;;
  readonly) host_exec "$host" mount -o remount,ro / ;;
  writable) host_exec "$host" mount -o remount,rw / ;;
  clock)
    host_exec "$host" sh -c 'printf "%sd\n" "$1" >/etc/faketimerc; ls /usr/lib/*/faketime/libfaketime.so.1 >/etc/ld.so.preload' sh "$argument" &&
      host_exec "$host" systemctl restart ssh
    ;;
  reboot) host_exec "$host" systemctl reboot ;;
  powercut) host_kill "$host" ;;
  poweron) host_start "$host"; host_wait "$host" 60 ;;
  *) sed -n 's/^#   //p' "$LAB_HERE/fault.sh"; exit 64 ;;
esac
