#!/bin/bash
#! One host: made, booted, cut off, removed. Each step may already be done, or half of it. Sourced.

hosts_all() { [ ! -d "$LAB_RUN" ] || find "$LAB_RUN" -mindepth 1 -maxdepth 1 -type d -name 'h[0-9]*' -printf '%f\n' | sort -V; }

# The machine's number of the host's first process; nothing when it does not run.
host_leader() {
  local processes
  processes=$(cgroup_tree)/$LAB_CGROUP/$1/payload/init.scope/cgroup.procs
  [ ! -r "$processes" ] || sort -n "$processes" | head -1
}

# Runs a command in a host, whatever its network or its sshd do.
host_exec() {
  local host=$1 leader; shift
  leader=$(host_leader "$host")
  [ -n "$leader" ] || die "$host does not run"
  nsenter -t "$leader" -m -u -i -n -p -C -- \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C "$@"
}

# What is mounted on or below a folder, last mounted first, until nothing is.
unmount_below() {
  local mount all
  for _ in 1 2 3 4 5; do
    all=$(while read -r _ mount _; do
      mount=$(printf '%b' "${mount//\\/\\0}")
      case $mount/ in "$1"/*) echo "$mount" ;; esac
    done </proc/self/mounts | tac)
    [ -n "$all" ] || break
    while read -r mount; do umount "$mount" 2>/dev/null || umount -l "$mount" 2>/dev/null; done <<<"$all"
  done
}

# host_make HOST: its disk, its names and keys, its network.
host_make() {
  local host=$1 folder=$LAB_RUN/$1 root=$LAB_RUN/$1/root
  [ -z "$(host_leader "$host")" ] || return 0
  # A folder without its mount is of another life, before the machine was restarted.
  if [ -d "$folder" ] && ! mountpoint -q "$root"; then unmount_below "$folder"; rm -rf --one-file-system "$folder"; fi
  mkdir -p "$folder"
  [ "$LAB_DISK" = disk ] || mountpoint -q "$folder" || mount -t tmpfs -o "size=$LAB_DISK,mode=755" lab "$folder" || die "no disk for $host"
  mkdir -p "$folder/upper" "$folder/work" "$root"
  # How it was made is how it is started again, whatever the environment of that call.
  [ -f "$folder/settings" ] || printf 'LAB_PODS=%q\nLAB_NSPAWN=%q\n' "$LAB_PODS" "$LAB_NSPAWN" >"$folder/settings"
  mountpoint -q "$root" || mount -t overlay "$LAB_CGROUP-$host" \
    -o "lowerdir=$LAB_IMAGE/root,upperdir=$folder/upper,workdir=$folder/work,volatile" "$root" || die "no overlay for $host"
  echo "$host" >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 %s\n%s mirror.lab\n::1 localhost ip6-localhost\n' "$host" "$LAB_GATE" >"$root/etc/hosts"
  if [ -n "$LAB_PODS" ]; then # pods outlive their service: a reboot would wait for them
    mkdir -p "$root/etc/systemd/system.conf.d"
    printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >"$root/etc/systemd/system.conf.d/lab.conf"
  fi
  [ -f "$root/etc/ssh/ssh_host_ed25519_key" ] ||
    ssh-keygen -q -t ed25519 -N '' -C "$host" -f "$root/etc/ssh/ssh_host_ed25519_key" </dev/null || die "no key for $host"
  echo "$(host_address "$host") $(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" >"$folder/known_hosts"
  host_net_up "$host"
}

# host_start HOST: boots it. A host that runs is left alone.
host_start() {
  local host=$1 folder=$LAB_RUN/$1 tree
  [ -z "$(host_leader "$host")" ] || return 0
  (
    exec </dev/null >>"$folder/console.log" 2>&1
    for tree in $(cgroup_trees); do
      cgroup_make "$tree" "$host" && echo $BASHPID >"$tree/$LAB_CGROUP/$host/cgroup.procs"
    done
    exec 7>&- 9>&- # the locks: only now, as from here on this process is found by its control group
    export UNIFIED_CGROUP_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_LOCK=0
    # shellcheck source=/dev/null
    . "$folder/settings"
    words=()
    [ -z "$LAB_PODS" ] || host_pods "$folder"
    LAB_V1=
    for tree in $(cgroup_trees); do
      [ "${tree##*/}" = systemd ] || [ ! -e "$tree/cgroup.clone_children" ] || LAB_V1+=" $tree/$LAB_CGROUP/$host"
    done
    export LAB_V1
    # shellcheck disable=SC2086 # LAB_NSPAWN is words
    exec setsid sh "$LAB_HERE/boot.sh" "$folder" --quiet --settings=no -D "$folder/root" --machine="$LAB_ID-$host" --hostname="$host" \
      --register=no --keep-unit --network-namespace-path="/run/netns/$(host_namespace "$host")" \
      --capability=CAP_NET_ADMIN,CAP_SYSLOG,CAP_BPF,CAP_PERFMON,CAP_IPC_LOCK --resolv-conf=off --timezone=off --link-journal=no \
      "${words[@]}" $LAB_NSPAWN --console=pipe --boot
  ) &
}

# What a host needs to run pods, in the shell of host_start.
# - No UNIFIED_CGROUP_HIERARCHY: where the machine is hybrid nspawn then gives the host the same, rooted at the host's own folder in
#   every v1 tree. It mounts those read-only; inside/cgroups.sh makes them writable. Where the machine has cgroup2 alone so has the host.
# - runc wants add_key, keyctl and bpf; the kubelet's watcher for memory reads /dev/kmsg.
# - Folders that are not on the overlay: one overlay does not take another as its upper layer.
host_pods() {
  local volume
  unset UNIFIED_CGROUP_HIERARCHY
  words+=(--system-call-filter=add_key --system-call-filter=keyctl --system-call-filter=bpf --bind=/dev/kmsg)
  for volume in rancher kubelet containerd; do
    mkdir -p "$1/volumes/$volume"
    words+=("--bind=${1//:/\\:}/volumes/$volume:/var/lib/$volume")
  done
}

# host_wait HOST [SECONDS]: until a login works. (A banner alone is too early: pam_nologin.)
host_wait() {
  local end=$((SECONDS + ${2:-60}))
  until ssh -F none -i "$LAB_KEY" -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile="\"$LAB_RUN/$1/known_hosts\"" \
    -o StrictHostKeyChecking=yes -o ConnectTimeout=2 "ops@$(host_address "$1")" true </dev/null >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { tail -5 "$LAB_RUN/$1/console.log" >&2; die "$1 does not answer"; }
    sleep 0.1
  done
}

# host_kill HOST: a power cut. Ends everything in the host, and what boots it again.
host_kill() {
  local group
  group=$(cgroup_tree)/$LAB_CGROUP/$1
  [ -d "$group" ] || return 0
  echo 0 >"$group/cgroup.freeze" 2>/dev/null
  echo 1 >"$group/cgroup.kill" 2>/dev/null
  for _ in $(seq 100); do grep -q '^populated 0' "$group/cgroup.events" 2>/dev/null && break; sleep 0.05; done
  cgroup_remove "$1"
}

host_remove() {
  host_kill "$1"
  host_net_down "$1"
  unmount_below "$LAB_RUN/$1"
  rmdir "/run/systemd/nspawn/propagate/$LAB_ID-$1" 2>/dev/null
  rm -rf --one-file-system "${LAB_RUN:?}/$1"
}
