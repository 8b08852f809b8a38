#!/usr/bin/env bash
# A real Kubernetes on this machine, for tests.
#
#   cluster.sh up            starts the one that all tests share, unless it runs; it stays until `down`
#   cluster.sh ready         the same for a caller that holds a lock (flock, shared) on the file that `users` prints
#   cluster.sh users
#   cluster.sh down          takes it away; tests that still use it finish first
#   cluster.sh run FOLDER USERS [--node]
#                            starts one, says so by FOLDER/ready, and takes it away when nobody holds a lock (flock,
#                            shared) on the file USERS any more. What the other two, and the tests, are made of.
#
# With --node its node runs pods: everything is then in namespaces of its own (processes, network, mounts), and only the
# API's port is brought out. Without, it is an API with its controllers. FOLDER/kubeconfig is the way in.
# FOLDER/pid/NAME holds the process of each part; one that ends is started again a second later. If this script dies, even
# by `kill -9`, all that it started dies with it; what is left of its files then goes at the next start.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
self="$here/$(basename "$0")"
shared=/var/lib/lions-lab/cluster
locks="${XDG_CACHE_HOME:-$HOME/.cache}/lions-lab"

say() { printf 'cluster lab: %s\n' "$*" >&2; }

# ---- the parts ------------------------------------------------------------------------------------------------------

# Starts a part, and starts it again when it ends. Dies with the caller.
keep() {
  local name="$1"
  shift
  setpriv --pdeathsig KILL bash -c '
    name="$1"; shift
    while :; do
      setpriv --pdeathsig KILL "$@" >> "log/$name" 2>&1 < /dev/null &
      echo "$!" > "pid/$name"
      wait "$!" || true
      sleep 1
    done' keep "$name" "$@" &
}

# Waits until a command succeeds; what it waits for is named when that takes too long.
wait_for() {
  local what="$1" tries=600
  shift
  until "$@" > /dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { say "$what: not within 60 s; the logs are in $PWD/log"; return 1; }
    sleep 0.1
  done
}

# `api GET-PATH`: asks the API as an administrator.
api() {
  python3 - "$port" "$1" << 'PY'
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile="keys/ca.crt")
request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}{sys.argv[2]}", headers={"Authorization": "Bearer admin-token"})
sys.stdout.write(urllib.request.urlopen(request, context=context, timeout=5).read().decode())
PY
}
node_ready() { api /api/v1/nodes/node-1 | python3 -c '
import json, sys
sys.exit(not any(c["type"] == "Ready" and c["status"] == "True" for c in json.load(sys.stdin)["status"]["conditions"]))'; }

keys() {
  mkdir keys
  cd keys
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key
  openssl req -x509 -new -key ca.key -subj /CN=lab -days 30 -out ca.crt \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
  openssl genrsa -out accounts.key 2048
  openssl rsa -in accounts.key -pubout -out accounts.pub
  signed() { # NAME SUBJECT EXTENSIONS
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.request"
    openssl x509 -req -in "$1.request" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" -extfile <(printf '%s\n' "$3")
  }
  local names=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc
  signed server /CN=kube-apiserver "subjectAltName=IP:127.0.0.1,IP:10.43.0.1,IP:10.99.0.1,$names"$'\nextendedKeyUsage=serverAuth'
  for who in "admin /O=system:masters/CN=admin" "kubelet /O=system:masters/CN=kubelet" "front /CN=front"; do
    signed "${who% *}" "${who#* }" extendedKeyUsage=clientAuth
  done
  # Who comes with a token; `nobody` may do nothing.
  cat > tokens << 'TOKENS'
admin-token,admin,u1,system:masters
controllers-token,system:kube-controller-manager,u2
scheduler-token,system:kube-scheduler,u3
node-token,system:node:node-1,u4,system:nodes
proxy-token,system:kube-proxy,u5
nobody-token,nobody,u6
TOKENS
  cd ..
}

kubeconfig() { # FILE CREDENTIALS
  cat > "$1" << CONFIG
apiVersion: v1
kind: Config
clusters: [{ name: lab, cluster: { server: "https://127.0.0.1:$port", certificate-authority-data: $(base64 -w0 keys/ca.crt) } }]
users: [{ name: lab, user: { $2 } }]
contexts: [{ name: lab, context: { cluster: lab, user: lab } }]
current-context: lab
CONFIG
}

control_plane() { # FLAGS OF THE API SERVER...
  keep etcd "$bin/etcd" --data-dir etcd --name lab --unsafe-no-fsync --log-level warn \
    --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls "http://127.0.0.1:$peer_port" --initial-advertise-peer-urls "http://127.0.0.1:$peer_port" \
    --initial-cluster "lab=http://127.0.0.1:$peer_port"
  keep apiserver "$bin/kube-apiserver" "--etcd-servers=http://127.0.0.1:$etcd_port" "--secure-port=$port" "$@" \
    --cert-dir=certificates --tls-cert-file=keys/server.crt --tls-private-key-file=keys/server.key \
    --client-ca-file=keys/ca.crt --token-auth-file=keys/tokens --authorization-mode=Node,RBAC \
    --enable-admission-plugins=NodeRestriction --service-cluster-ip-range=10.43.0.0/16 --allow-privileged=true \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=keys/accounts.pub \
    --service-account-signing-key-file=keys/accounts.key --kubelet-preferred-address-types=InternalIP \
    --kubelet-client-certificate=keys/kubelet.crt --kubelet-client-key=keys/kubelet.key \
    --requestheader-client-ca-file=keys/ca.crt --requestheader-allowed-names=front \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file=keys/front.crt --proxy-client-key-file=keys/front.key
  wait_for "the API server" api /readyz
  keep controllers "$bin/kube-controller-manager" --kubeconfig=controllers.config --authentication-kubeconfig=controllers.config \
    --authorization-kubeconfig=controllers.config --bind-address=127.0.0.1 "--secure-port=$controllers_port" --port=0 \
    --cert-dir=certificates-controllers --service-account-private-key-file=keys/accounts.key --root-ca-file=keys/ca.crt \
    --cluster-signing-cert-file=keys/ca.crt --cluster-signing-key-file=keys/ca.key --use-service-account-credentials=true \
    --leader-elect=false --kube-api-qps=500 --kube-api-burst=1000 --controllers='*,-nodeipam' --service-cluster-ip-range=10.43.0.0/16
  keep scheduler "$bin/kube-scheduler" --kubeconfig=scheduler.config --authentication-kubeconfig=scheduler.config \
    --authorization-kubeconfig=scheduler.config --bind-address=127.0.0.1 "--secure-port=$scheduler_port" --port=0 \
    --cert-dir=certificates-scheduler --leader-elect=false
}

# Containers, and a node that runs them. In namespaces of its own.
node() {
  export PATH="$root/usr/bin:$root/usr/sbin:$PATH:/usr/sbin:/sbin"
  mkdir -p network containers volumes static
  cat > network/10-lab.conflist << 'CONFIG'
{ "cniVersion": "0.4.0", "name": "lab", "plugins": [
  { "type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false, "hairpinMode": true,
    "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.42.0.0/24" }]], "routes": [{ "dst": "0.0.0.0/0" }] } },
  { "type": "portmap", "capabilities": { "portMappings": true } } ] }
CONFIG
  cat > containerd.toml << CONFIG
version = 2
root = "$PWD/containers"
state = "/run/containerd/lab"
[grpc]
  address = "/run/containerd/lab.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "lions.test/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$root/usr/lib/cni"
    conf_dir = "$PWD/network"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "$root/usr/sbin/runc"
      SystemdCgroup = false
CONFIG
  keep containerd "$root/usr/bin/containerd" -c containerd.toml
  local ctr=("$root/usr/bin/ctr" -a /run/containerd/lab.sock)
  wait_for containerd "${ctr[@]}" version
  for image in "$images"/*.tar; do "${ctr[@]}" -n k8s.io images import "$image" >> log/images 2>&1; done
  cat > kubelet.yaml << CONFIG
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: "$PWD/keys/ca.crt" } }
authorization: { mode: Webhook }
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failSwapOn: false
nodeStatusUpdateFrequency: 1s
clusterDomain: cluster.local
clusterDNS: [10.43.0.10]
resolvConf: /etc/resolv.conf
staticPodPath: "$PWD/static"
volumePluginDir: "$PWD/volumes"
evictionHard: { memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1% }
serializeImagePulls: false
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
enforceNodeAllocatable: []
address: 10.99.0.1
CONFIG
  for folder in /sys/fs/cgroup /sys/fs/cgroup/*; do
    # One tree of control groups, or one for each controller.
    [ -e "$folder/cgroup.procs" ] || continue
    mkdir -p "$folder/$cgroup"
    for setting in cpuset.cpus cpuset.mems; do
      [ ! -e "$folder/$setting" ] || cat "$folder/$setting" > "$folder/$cgroup/$setting"
    done
    [ "$folder" != /sys/fs/cgroup ] || break
  done
  keep kubelet "$bin/kubelet" --config=kubelet.yaml --kubeconfig=node.config --hostname-override=node-1 --node-ip=10.99.0.1 \
    --cert-dir=certificates-kubelet --container-runtime=remote --containerd=/run/containerd/lab.sock \
    --container-runtime-endpoint=unix:///run/containerd/lab.sock
  cat > proxy.yaml << CONFIG
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: { kubeconfig: proxy.config }
clusterCIDR: 10.42.0.0/16
mode: iptables
hostnameOverride: node-1
bindAddress: 10.99.0.1
conntrack: { maxPerCore: 0, min: 0, tcpCloseWaitTimeout: 0s, tcpEstablishedTimeout: 0s }
CONFIG
  keep proxy "$bin/kube-proxy" --config=proxy.yaml
}

# ---- one cluster ----------------------------------------------------------------------------------------------------

ports() { # five that nobody uses
  python3 -c '
import socket
sockets = [socket.socket() for _ in range(5)]
for one in sockets: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))'
}

# Folders that a node wants to have for itself; they are mounted over inside, and need a place to be mounted on.
private=(/var/lib/kubelet /var/log/pods /var/log/containers /var/lib/cni /run/containerd)

clean() { # after all processes are gone
  local controller folder
  for controller in /sys/fs/cgroup /sys/fs/cgroup/*; do
    for folder in "$controller/$cgroup" "$controller/k8s.io"; do
      [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} + 2> /dev/null || true
    done
  done
  # Made below when they were not there: each as it is written in `made`, empty or not ours.
  if [ -e "$run/made" ]; then
    tac "$run/made" | while IFS= read -r folder; do rmdir "$folder" 2> /dev/null || true; done
  fi
  rm -rf "$run"
  rmdir "$(dirname "$run")" 2> /dev/null || true
}

inside() { # the part of `run` that is in namespaces of its own
  local folder
  cd "$run"
  for folder in "${private[@]}"; do mount -t tmpfs lions-lab "$folder"; done
  mount --make-rshared /
  ip link set lo up
  ip link add node0 type bridge
  ip addr add 10.99.0.1/24 dev node0
  ip link set node0 up
  ip route add default via 10.99.0.2 dev node0
  # Asked by the kubelet, which takes no answer for a cloud; said at once, it need not wait for it.
  ip route add unreachable 169.254.0.0/16
  sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
  sysctl -qw net.bridge.bridge-nf-call-iptables=1 || true
  keep way-in socat "UNIX-LISTEN:api.sock,fork" "TCP:127.0.0.1:$port"
  control_plane --bind-address=0.0.0.0 --advertise-address=10.99.0.1
  node
  wait_for "the node" node_ready
  wait_for "the controllers" api /api/v1/namespaces/default/serviceaccounts/default
  touch ready
  while :; do sleep 1000 & wait "$!" || true; done
}

run() { # FOLDER USERS [--node]
  export run="$1" built port etcd_port peer_port controllers_port scheduler_port cgroup
  local users="$2" with_node="${3:-}" folder made
  cgroup="lions-lab-$(basename "$run")"
  built="$("$here/build.sh")"
  clean
  mkdir -p "$(dirname "$run")"
  mkdir -m 700 "$run" "$run/log" "$run/pid"
  echo "$$" > "$run/pid/lab"
  cd "$run"
  touch "$users"
  # Whatever ends this, nothing stays: `kill -9` leaves files only, which the next start takes away.
  trap 'trap - EXIT; end' EXIT
  trap 'exit 143' TERM INT HUP
  read -r port etcd_port peer_port controllers_port scheduler_port <<< "$(ports)"
  parts_of_run
  keys 2> log/keys
  kubeconfig kubeconfig "client-certificate-data: $(base64 -w0 keys/admin.crt), client-key-data: $(base64 -w0 keys/admin.key)"
  for who in controllers scheduler node proxy nobody; do kubeconfig "$who.config" "token: $who-token"; done
  if [ "$with_node" = --node ]; then
    for folder in "${private[@]}"; do
      made=()
      while [ ! -d "$folder" ]; do made=("$folder" "${made[@]}"); folder="$(dirname "$folder")"; done
      for folder in ${made[@]+"${made[@]}"}; do mkdir "$folder"; echo "$folder" >> made; done
    done
    # The first process inside dies with `unshare`, and all others with the first.
    setpriv --pdeathsig KILL unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private \
      bash "$self" inside >> log/inside 2>&1 &
    main="$!"
    keep way-out socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" "UNIX-CONNECT:api.sock"
  else
    control_plane --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --endpoint-reconciler-type=none
    wait_for "the controllers" api /api/v1/namespaces/default/serviceaccounts/default
    touch ready
  fi
  # Until nobody uses it; those who come while it goes wait for this lock to be given back.
  exec 8<> "$users"
  flock 8 &
  wait -n "$!" ${main:-}
}

parts_of_run() {
  bin="$built/bin"
  root="$built/root"
  images="$built/images"
}

end() {
  local jobs
  mapfile -t jobs < <(jobs -p)
  # By the ids of what this script started itself; all below them die with them.
  kill -9 ${jobs[@]+"${jobs[@]}"} 2> /dev/null || true
  wait 2> /dev/null || true
  sleep 0.2
  clean
}

# ---- the one that is shared -----------------------------------------------------------------------------------------

# Is it there, and its script alive?
runs() { [ -e "$shared/ready" ] && grep -qz cluster.sh "/proc/$(cat "$shared/pid/lab")/cmdline" 2> /dev/null; }

# Starts it unless it runs. The caller holds a shared lock on "$locks/cluster.users".
start() {
  "$here/build.sh" > /dev/null
  mkdir -p "$locks"
  exec 7> "$locks/cluster.start"
  flock 7
  runs && return
  # Its own session, and none of our locks.
  setsid "$self" run "$shared" "$locks/cluster.users" --node > "$locks/cluster.log" 2>&1 < /dev/null 7>&- 6>&- &
  local lab="$!"
  until runs; do
    kill -0 "$lab" 2> /dev/null || { say "it did not start:"; tail -n 20 "$locks/cluster.log" >&2; return 1; }
    sleep 0.1
  done
}

up() {
  mkdir -p "$locks"
  exec 6> "$locks/cluster.users"
  flock --shared 6
  start
  # Somebody has to want it.
  if ! { [ -e "$locks/cluster.up" ] && kill -0 "$(cat "$locks/cluster.up")" 2> /dev/null; }; then
    setsid sleep infinity < /dev/null > /dev/null 2>&1 7>&- &
    echo "$!" > "$locks/cluster.up"
  fi
  say "KUBECONFIG=$shared/kubeconfig"
}

down() {
  mkdir -p "$locks"
  local holder
  holder="$(cat "$locks/cluster.up" 2> /dev/null || true)"
  if [ -n "$holder" ] && [ "$(cat "/proc/$holder/comm" 2> /dev/null)" = sleep ]; then
    kill "$holder"
    while kill -0 "$holder" 2> /dev/null; do sleep 0.05; done
  fi
  rm -f "$locks/cluster.up"
  exec 6> "$locks/cluster.users"
  flock --nonblock 6 || { say "tests still use it, waiting for them"; flock 6; }
  # Nobody holds it and nobody can start it now. One that died has left its files.
  if [ -e "$shared" ] && ! runs; then run="$shared" cgroup="lions-lab-$(basename "$shared")" clean; fi
  rm -f "$locks"/cluster.{start,log}
}

case "${1:-}" in
  run) shift; run "$@" ;;
  inside) parts_of_run; inside ;;
  up) up ;;
  ready) start; printf '%s\n' "$shared" ;;
  users) mkdir -p "$locks"; printf '%s\n' "$locks/cluster.users" ;;
  down) down ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$self"; exit 64 ;;
esac
