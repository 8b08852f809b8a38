#!/bin/sh
#! At each boot of a host, before its sysctl: vm.*, kernel.* and fs.* belong to the one kernel below all hosts and are
#! read-only here; this host gets copies of its own to write.
mkdir -p /run/lab-sysctl
for key in vm/overcommit_memory vm/panic_on_oom vm/swappiness vm/vfs_cache_pressure vm/max_map_count kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes kernel/pid_max kernel/threads-max \
  fs/inotify/max_user_instances fs/inotify/max_user_watches fs/file-max fs/aio-max-nr \
  fs/protected_fifos fs/protected_hardlinks fs/protected_regular fs/protected_symlinks \
  net/netfilter/nf_conntrack_max; do # the last: each host has its own, but only the first network namespace may write it
  [ -e /proc/sys/$key ] || continue
  file=/run/lab-sysctl/$(echo $key | tr / .)
  cat /proc/sys/$key >"$file" && mount --bind "$file" /proc/sys/$key
done
