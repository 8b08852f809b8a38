# DATA UNIT NODE KUBECONFIG: what is lost with the data of k3s, and what stands against that. Changes nothing.
unit=$2 node=${3:-$(uname -n | tr 'A-Z' 'a-z')} kubeconfig=$4
data=$(readlink -f -- "$1") || data=$1
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')"; }
say node "$node"
for other in /etc/systemd/system/k3s*.service; do
  [ "$other" = "/etc/systemd/system/$unit.service" ] || ! grep -qE '^ExecStart=.*/k3s( |$)' "$other" 2>/dev/null || say other "${other##*/}"
done
if [ -e "$data/server/db/etcd" ]; then say datastore etcd; elif [ -e "$data/server/db/state.db" ]; then say datastore SQLite; fi
for volume in "$data"/storage/*; do
  [ ! -e "$volume" ] || say volume "${volume##*/}"
done
for entry in "$data"/* "$data"/.[!.]*; do
  case ${entry##*/} in agent | data | server | storage) continue ;; esac
  [ ! -e "$entry" ] && [ ! -L "$entry" ] || say foreign "$entry"
done
# Those of pods are k3s's own.
for folder in "$data" /etc/rancher/k3s /var/lib/kubelet; do
  folder=$(readlink -f -- "$folder") || continue
  awk -v at="$folder" '($2 == at || index($2, at "/") == 1) && $2 !~ /\/agent\/containerd\/tmpmounts\// && $2 !~ /^\/var\/lib\/kubelet\/(pods|plugins)\// { print "mount=" $2 }' /proc/self/mounts
done | sort -u
if [ -e "$data/server/db/etcd" ] && [ "$(systemctl is-active "$unit")" = active ]; then
  timeout 10 /usr/local/bin/k3s kubectl --kubeconfig "$kubeconfig" get nodes -l node-role.kubernetes.io/etcd=true -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' 2>/dev/null |
    grep -vxF "$node" | sed 's/^/member=/'
fi
exit 0
