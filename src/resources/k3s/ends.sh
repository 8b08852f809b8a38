# Containers outlive their service: what starts them runs from the folder of data.
family() { for process in "$@"; do echo "$process"; family $(ps -o pid= --ppid "$process"); done; }
shims=$(ps -e -o pid= -o args= | awk -v at="$data/data/" 'index($2, at) == 1 && $2 ~ /\/bin\/containerd-shim/ { print $1 }')
[ -z "$shims" ] || kill -9 $(family $shims) 2>/dev/null

left=
mounted() { awk -v at="$1" '$2 == at || index($2, at "/") == 1 { print $2 }' /proc/self/mounts | sort -r; }
# Nothing is deleted through what is still mounted, as volumes are into pods: at is where the folder really is, without it there is none.
unmount() {
  at=$(readlink -f -- "$1") && [ -d "$at" ] || return
  case $at in *[!A-Za-z0-9/._+:@-]*) left=1; echo "$at: a name that is not looked after here" >&2; return 1 ;; esac
  # Blanks in a path stand as \040 there.
  mounted "$at" | while IFS= read -r mount; do
    mount=$(printf %b "$mount")
    umount -f -- "$mount" 2>/dev/null || umount -l -- "$mount"
  done
  [ -z "$(mounted "$at")" ] || { left=1; echo "$1: something is still mounted there, and stays" >&2; return 1; }
}
unmount /run/k3s
unmount "$data/agent/containerd/tmpmounts"
for folder in /var/lib/kubelet/pods /var/lib/kubelet/plugins; do
  ! unmount "$folder" || rm -rf --one-file-system -- "$at"
done
for net in /run/netns/cni-*; do
  [ ! -e "$net" ] || ip netns delete "${net##*/}" 2>/dev/null || { umount -l "$net" 2>/dev/null; rm -f "$net"; }
done

for link in $(ip -o link show master cni0 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/\1/') \
  cni0 flannel.1 flannel-v6.1 kube-ipvs0 flannel-wg flannel-wg-v6; do
  ip link delete "$link" 2>/dev/null
done
rm -rf /var/lib/cni /run/flannel

for tool in iptables ip6tables; do
  command -v $tool-save >/dev/null || continue
  $tool-save | grep -v -e KUBE- -e CNI- | grep -vi flannel | $tool-restore
done
