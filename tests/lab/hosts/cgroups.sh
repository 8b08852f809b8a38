#!/bin/bash
#! The control groups that hold a host's processes: by them they are found, frozen and ended. Sourced.

# Every tree that a host must have a folder of its own in: one where the machine has cgroup2 alone, else one each.
cgroup_trees() {
  if [ "$(stat -fc %T $CGROUPS)" = cgroup2fs ]; then echo $CGROUPS; return; fi
  awk -v at=$CGROUPS/ '($3 == "cgroup" || $3 == "cgroup2") && index($2, at) == 1 { print $2 }' /proc/self/mounts | sort -u
}

# The tree of cgroup2: the one with freeze, kill and events.
cgroup_tree() { if [ "$(stat -fc %T $CGROUPS)" = cgroup2fs ]; then echo $CGROUPS; else echo $CGROUPS/unified; fi; }

# cgroup_make TREE HOST. The cpuset of v1 takes no process before it has cpus and mems.
cgroup_make() {
  local folder=$1 name file
  for name in "$LAB_CGROUP" "$2"; do
    mkdir -p "$folder/$name" || return 1
    for file in cpuset.cpus cpuset.mems; do
      [ -e "$1/cpuset.mem_exclusive" ] && [ -z "$(cat "$folder/$name/$file")" ] && cat "$folder/$file" >"$folder/$name/$file"
    done
    folder=$folder/$name
  done
  return 0
}

# cgroup_remove [HOST]: the empty folders.
cgroup_remove() {
  local tree folder
  for tree in $(cgroup_trees); do
    folder=$tree/$LAB_CGROUP${1:+/$1}
    [ ! -d "$folder" ] || find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
  done
  return 0
}
