#!/usr/bin/env bash
# `make demo`: three bare hosts of the lab become a cluster, by `lions --env lab` of this checkout.
#
#   demo.sh LIONS    brings up fresh hosts, plans, applies, plans again, breaks something, mends it
#   demo.sh down     takes them away, and what was written for them
#
# Ends with 69 where this machine cannot have such hosts.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
environment="$root/inventories/lab"
keys=/run/lions-lab/demo
export LAB_ID=demo LAB_NET=10.90 LAB_PODS=1

lab() { "$here/hosts/lab" "$@"; }
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

if [ "${1:-}" = down ]; then
  lab down
  rm -rf "$environment/values" "$keys"
  exit
fi
lions="${1:?demo.sh LIONS, or demo.sh down}"

say "A Kubernetes to run inside the hosts (built once a machine), and releases of it in the layout of k3s"
inside="$("$here/cluster/build.sh")"
releases="$("$here/k3s/build.sh")"
export LAB_NSPAWN="--bind-ro=$inside:/opt/lab-k3s"

say "Three bare Debian hosts with systemd and sshd"
# What an interrupted run left goes first: the hosts are bare each time.
lab down
lab up 3
run="${LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lions-lab}/run/$LAB_ID"
ln -sfn "$releases" "$run/mine/k3s"
image="$(bash -c '. "$1"; printf %s "$LAB_IMAGE"' - "$here/hosts/settings.sh")"
cat "$run"/h*/known_hosts > "$run/known_hosts"
mkdir -p "$keys"
cat > "$keys/ssh_config" << END
Host *
  IdentityFile "$image/id_ed25519"
  IdentitiesOnly yes
  UserKnownHostsFile "$run/known_hosts"
END
sum() { sha256sum < "$releases/$1" | cut -c1-64; }
# That of the environment, or what the stable channel of real releases is at.
version="$(sed -n 's/^  k3s_version: *//p' "$environment/environment.yml")"
release=()
if [ -n "${LIONS_LAB_K3S:-}" ]; then
  version="$(sed 's|.*/||' "$releases/channels/stable.location")"
  release=(--set "k3s_version=$version")
fi
assets="releases/download/$version"
bundle=k3s-airgap-images-amd64.tar.gz
node="sha256: { amd64: $(sum "$assets/k3s") }, images: [{ name: $bundle, sha256: $(sum "$assets/$bundle") },
    { name: components.tar, sha256: $(sum images/components.tar), url: \"http://mirror.lab/mine/k3s/images/components.tar\" }]"
mkdir -p "$environment/values"
cat > "$environment/values/lab.yml" << END
k3s_server: { $node }
k3s_agent: { $node }
END

cd "$root"
lions() { set -- "$@" "${release[@]}"; printf '\n$ lions %s\n' "$*"; "$lions" "$@"; }
expect() {
  local code=$1 ended=0
  shift
  lions "$@" || ended=$?
  [ "$ended" = "$code" ] || { printf 'that ended with %s, and should have with %s\n' "$ended" "$code" >&2; exit 1; }
}

say "The whole plan, before anything exists"
lions plan --env lab
say "And done"
began=$SECONDS
lions apply --env lab --yes
took=$((SECONDS - began))
say "Nothing is left to do"
expect 0 plan --env lab --detailed-exitcode
lab exec h1 kubectl get nodes,pods -A

say "Somebody changes the kernel's settings on h2 by hand"
lab exec h2 sysctl vm.swappiness=90
say "And somebody takes a policy away in the cluster"
lab exec h1 kubectl -n platform delete networkpolicy default-deny
expect 2 drift --env lab
say "Both are put right"
lions apply --env lab --yes
expect 0 drift --env lab

say "From bare hosts to that in $took s. Look around:"
cat << END
  LAB_ID=demo LAB_NET=10.90 tests/lab/hosts/lab exec h1 kubectl get pods -A
  ${lions#"$root"/} plan --env lab${release[*]:+ ${release[*]}}
  make demo-down                                     takes all of it away
END
