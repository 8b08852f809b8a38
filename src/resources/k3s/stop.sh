#!/bin/sh
# managed by lions
# Ends k3s on this host and all that it started: services, containers, mounts, links and rules. Data stay.
[ "$(id -u)" = 0 ] || exec sudo -- "$0" "$@"
data=${K3S_DATA_DIR:-/var/lib/rancher/k3s}

for unit in /etc/systemd/system/k3s*.service; do
  [ ! -e "$unit" ] || systemctl stop "${unit##*/}"
done

