#!/bin/sh
#! At each boot of a host: nspawn mounts the trees of cgroup v1 read-only, and containers need them writable. Each mount
#! shows only this host's part. Nothing to do where there is cgroup2 alone.
awk '$3 == "cgroup" && $2 ~ "^/sys/fs/cgroup/" && $4 ~ /^ro(,|$)/ { print $2 }' /proc/self/mounts |
  while read -r mount; do mount -o remount,bind,rw "$mount" || exit 1; done
