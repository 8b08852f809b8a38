#!/bin/sh
# managed by lions
# Ends k3s on this host and all that it started: services, containers, mounts, links and rules. Data stay.
[ "$(id -u)" = 0 ] || exec sudo -- "$0" "$@"
data=${K3S_DATA_DIR:-/var/lib/rancher/k3s}

for unit in /etc/systemd/system/k3s*.service; do
  [ ! -e "$unit" ] || systemctl stop "${unit##*/}"
done

# Containers outlive their service: what starts them runs from the folder of data.
family() { for process in "$@"; do echo "$process"; family $(ps -o pid= --ppid "$process"); done; }
shims=$(ps -e -o pid= -o args= | awk -v at="$data/data/" 'index($2, at) == 1 && $2 ~ /\/bin\/containerd-shim/ { print $1 }')
[ -z "$shims" ] || kill -9 $(family $shims) 2>/dev/null

unmount() {
  awk -v at="$1" '$2 == at || index($2, at "/") == 1 { print $2 }' /proc/self/mounts | sort -r |
    while read -r mount; do umount -f -- "$mount" 2>/dev/null || umount -l -- "$mount"; done
  rm -rf --one-file-system -- "$1"
}
for folder in /run/k3s /var/lib/kubelet/pods /var/lib/kubelet/plugins; do unmount "$folder"; done
for net in /run/netns/cni-*; do
  [ ! -e "$net" ] || ip netns delete "${net##*/}" 2>/dev/null || { umount -l "$net" 2>/dev/null; rm -f "$net"; }
done

for link in $(ip -o link show master cni0 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/\1/') \
  cni0 flannel.1 flannel-v6.1 kube-ipvs0 flannel-wg flannel-wg-v6; do
  ip link delete "$link" 2>/dev/null
done
rm -rf /var/lib/cni

for tool in iptables ip6tables; do
  command -v $tool-save >/dev/null || continue
  $tool-save | grep -v -e KUBE- -e CNI- | grep -vi flannel | $tool-restore
done
