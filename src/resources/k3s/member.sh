# KUBECONFIG NODE: is NODE a member of the cluster's etcd? 0: yes, 1: no, else it is not known. Changes nothing.
said=$(timeout 10 /usr/local/bin/k3s kubectl --kubeconfig "$1" get node "$2" -o 'jsonpath={.metadata.labels.node-role\.kubernetes\.io/etcd}' 2>&1) || {
  case $said in *NotFound*) exit 1 ;; esac
  printf '%s\n' "$said" >&2
  exit 2
}
[ "$said" = true ] || exit 1
