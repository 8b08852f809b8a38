# UNIT DATA NODE KUBECONFIG ROLE: what runs, how ready it is, and what would be in its way. Changes nothing.
unit=$1 data=$2 node=${3:-$(uname -n | tr 'A-Z' 'a-z')} kubeconfig=$4 role=$5 k3s=/usr/local/bin/k3s
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | tr '\n' ' ')"; }
say node "$node"
[ ! -x $k3s ] || say version "$(timeout 20 $k3s --version 2>/dev/null | awk 'NR == 1 { print $3 }')"
show=$(systemctl show -p ActiveState -p SubState -p NRestarts -p Job -p ExecMainStartTimestampMonotonic -- "$unit" 2>/dev/null)
printf '%s\n' "$show"
value() { printf '%s\n' "$show" | sed -n "s/^$1=//p"; }
case $(value ActiveState) in
  active | reloading | activating | deactivating)
    [ "$role" = agent ] || say readyz "$(timeout 10 $k3s kubectl --kubeconfig "$kubeconfig" get --raw /readyz 2>&1 | tail -n 1 | cut -c 1-200)"
    at=$data/agent/kubelet.kubeconfig
    if [ -e "$at" ]; then
      said=$(timeout 10 $k3s kubectl --kubeconfig "$at" get node "$node" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].lastHeartbeatTime} {.status.nodeInfo.kubeletVersion} {.status.conditions[?(@.type=="Ready")].message}' 2>&1) ||
        { say trouble "$(printf '%s\n' "$said" | tail -n 1 | cut -c 1-200)"; said=; }
      if [ -n "$said" ]; then
        say reported "$said"
        [ ! -e "$data/server/db/etcd" ] || say voter "$(timeout 10 $k3s kubectl --kubeconfig "$at" get node "$node" -o 'jsonpath={.status.conditions[?(@.type=="EtcdIsVoter")].status}' 2>/dev/null)"
        beat=$(printf '%s\n' "$said" | cut -d' ' -f2)
        started=$(value ExecMainStartTimestampMonotonic)
        up=$(cut -d. -f1 /proc/uptime)
        # What it said of itself before this start is no word of now. Whole seconds: it may be off by one, and no node is up in two.
        [ "$(date -d "$beat" +%s 2>/dev/null || echo 0)" -lt $(($(date +%s) - up + ${started:-0} / 1000000 + 2)) ] || say fresh yes
      fi
    fi
    ;;
  *)
    ports='6443 10250'
    [ "$role" != agent ] || ports='10250'
    for port in $ports; do
      user=$(ss -Hltnp "sport = :$port" 2>/dev/null | sed -n 's/.*users:((\("[^"]*"\).*/\1/p' | head -n 1)
      [ -z "$(ss -Hltn "sport = :$port" 2>/dev/null)" ] || say port "$port ${user:-another program}"
    done
    for other in kubeadm:/etc/kubernetes/kubelet.conf rke2:/etc/rancher/rke2 k0s:/var/lib/k0s microk8s:/var/snap/microk8s; do
      [ ! -e "${other#*:}" ] || say other "$other"
    done
    folder=$data
    while [ ! -d "$folder" ]; do folder=${folder%/*}; folder=${folder:-/}; done
    say free "$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')"
    ;;
esac
[ "$(value NRestarts)" = 0 ] && [ "$(value ActiveState)" = active ] || journalctl -q --no-pager -o cat -n 200 -u "$unit" 2>/dev/null |
  grep -E 'level=(fatal|error)|^Error: |^F[0-9]{4} ' | tail -n 4 | sed 's#//[^/@ ]*:[^@ ]*@#//***@#g' | cut -c 1-300 | sed 's/^/log=/'
exit 0
