#!/bin/bash
#! The bridge between the hosts of one lab, and each host's link to it. Nothing on it reaches past this machine. Sourced.

net_up() {
  ip link show "$LAB_BRIDGE" >/dev/null 2>&1 || {
    ip link add "$LAB_BRIDGE" type bridge && ip addr add "$LAB_GATE/16" dev "$LAB_BRIDGE" && ip link set "$LAB_BRIDGE" up ||
      die "no bridge"
  }
  # Whatever else turns forwarding on here: what a host sends is never routed on.
  ip rule list | grep -q "iif $LAB_BRIDGE " || ip rule add pref 77 iif "$LAB_BRIDGE" unreachable
}

net_down() {
  while ip rule del pref 77 iif "$LAB_BRIDGE" unreachable 2>/dev/null; do :; done
  ip link del "$LAB_BRIDGE" 2>/dev/null
  return 0
}

# h1 is .1.1, h200 is .1.200, h201 is .2.1
host_address() { local n=${1#h}; echo "$LAB_NET.$((1 + (n - 1) / 200)).$((1 + (n - 1) % 200))"; }

host_link() { echo "${LAB_ID}v${1#h}"; }
host_namespace() { echo "$LAB_ID-$1"; }

# host_net_up HOST: a network namespace with one cable to the bridge.
host_net_up() {
  local host=$1 namespace link file
  namespace=$(host_namespace "$host") link=$(host_link "$host") file=/run/netns/$(host_namespace "$host")
  # Where /run is no tmpfs a plain file may be left of a namespace that is gone.
  [ ! -e "$file" ] || [ "$(stat -fc %T "$file")" = nsfs ] || rm -f "$file"
  [ ! -e "$file" ] || return 0
  ip netns add "$namespace" || die "no network namespace for $host"
  ip link del "$link" 2>/dev/null
  ip link add "$link" type veth peer name eth0 netns "$namespace" || die "no link for $host"
  ip link set "$link" master "$LAB_BRIDGE" up
  ip -n "$namespace" -batch - <<B
link set lo up
addr add $(host_address "$host")/16 dev eth0
link set eth0 up
route add default via $LAB_GATE
B
}

host_net_down() {
  local process
  # delay.py and the like
  for process in $(ip netns pids "$(host_namespace "$1")" 2>/dev/null); do kill -9 "$process" 2>/dev/null; done
  ip link del "$(host_link "$1")" 2>/dev/null
  ip netns del "$(host_namespace "$1")" 2>/dev/null
  rm -f "/run/netns/$(host_namespace "$1")"
}
