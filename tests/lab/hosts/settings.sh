#!/bin/bash
#! The names and places of one lab, and the few words that every script here uses. Sourced by all; changes nothing.
#
#   LAB_ID      (lab)       which lab: the start of the names of its links, namespaces and cgroups; at most 6 characters
#   LAB_NET     (10.77)     its /16; another lab beside it takes another LAB_ID and another LAB_NET
#   LAB_CACHE   (~/.cache/lions-lab)  where images, keys and running hosts lie: outside the checkout, never in target/
#   LAB_SUITE   (bookworm)  the Debian of the hosts
#   LAB_DISK    (2g)        the size of a host's disk, in memory; `disk`: on the machine's own disk, without bound
#   LAB_PODS    ()          1: hosts that can run containerd, runc and a kubelet
#   LAB_NSPAWN  ()          more words for systemd-nspawn
set -uo pipefail
export LC_ALL=C
umask 022

LAB_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB_ID=${LAB_ID:-lab}
LAB_NET=${LAB_NET:-10.77}
LAB_SUITE=${LAB_SUITE:-bookworm}
LAB_DISK=${LAB_DISK:-2g}
LAB_PODS=${LAB_PODS:-}
LAB_NSPAWN=${LAB_NSPAWN:-}
LAB_CACHE=${LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/lions-lab}

# What an image is made of names it: a change makes another one.
LAB_IMAGE=$LAB_CACHE/images/$LAB_SUITE-$(cd "$LAB_HERE" && cat image.sh users.sh mirror.sh inside/* | sha256sum | cut -c1-12)
LAB_RUN=$LAB_CACHE/run/$LAB_ID
LAB_BRIDGE=${LAB_ID}br
LAB_GATE=$LAB_NET.0.1
LAB_KEY=$LAB_IMAGE/id_ed25519
LAB_CGROUP=lions-lab-$LAB_ID
CGROUPS=/sys/fs/cgroup

die() { echo "lab: $*" >&2; exit 1; }

# What this machine lacks, in contrast to what goes wrong.
lacks() { echo "$*" >&2; exit 69; }

[ "$(uname -s)" = Linux ] || lacks "needs Linux"
[ "$(id -u)" = 0 ] || lacks "needs root"
case $LAB_CACHE in *[:,\\\"]*) die "'$LAB_CACHE' has a character that an overlay mount cannot bear: set LAB_CACHE" ;; esac
[ ${#LAB_ID} -le 6 ] || die "LAB_ID '$LAB_ID' is longer than 6 characters"

# shellcheck source=/dev/null
for part in image users mirror net cgroups host; do . "$LAB_HERE/$part.sh"; done
