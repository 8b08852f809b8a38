#!/bin/sh
# managed by lions
# Takes k3s off this host, WITH ALL ITS DATA: the datastore, volumes on local paths, images. Nothing asks again.
[ "$(id -u)" = 0 ] || exec sudo -- "$0" "$@"
data=${K3S_DATA_DIR:-/var/lib/rancher/k3s}
unit=UNIT

/usr/local/bin/k3s-killall.sh || exit 1
systemctl disable "$unit" 2>/dev/null
rm -f "/etc/systemd/system/$unit.service" "/etc/systemd/system/$unit.service.env"
systemctl daemon-reload
systemctl reset-failed "$unit" 2>/dev/null

for other in /etc/systemd/system/k3s*.service; do
  [ ! -e "$other" ] || { echo "$other is there: its k3s stays" >&2; exit 1; }
done
for link in kubectl crictl ctr; do
  [ "$(readlink "/usr/local/bin/$link")" != k3s ] || rm -f "/usr/local/bin/$link"
done
rm -rf --one-file-system -- /etc/rancher/k3s /run/k3s /run/flannel /var/lib/kubelet "$data"
rm -f /usr/local/bin/k3s /usr/local/bin/k3s-killall.sh "/usr/local/bin/$unit-uninstall.sh"
