#!/usr/bin/env bash
# Makes images for the components of the platform, once a state of these files, and prints the folder that holds them:
#
#   components.tar   lions.test/postgres:15, lions.test/redis:7, lions.test/registry:2, to be imported as a bundle
#
# From Debian's packages, 90 MB. They keep to what the images of the same names at Docker Hub do: the same variables, the same
# paths, the same users, so that a role runs with either. `registry` has `htpasswd` besides.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/lions-lab"
recipe="$(cd "$here" && cat -- build.sh bundle.py registry.yml ./*.entrypoint | sha256sum | cut -c1-12)"
folder="$cache/components-$recipe"

say() { printf 'k3s lab: %s\n' "$*" >&2; }
missing() { say "the components' images cannot be built here: $*"; exit 69; }
if [ -e "$folder/done" ]; then printf '%s\n' "$folder"; exit; fi
command -v mmdebstrap > /dev/null || missing "there is no mmdebstrap"
busybox="$("$here/../../cluster/build.sh")/root/bin/busybox"
mkdir -p "$cache"
exec 9> "$cache/components.lock"
flock 9
if [ -e "$folder/done" ]; then printf '%s\n' "$folder"; exit; fi

find "$cache" -maxdepth 1 -type d -name 'components-*' -printf '%T@ %p\n' | sort -rn | tail -n +3 | cut -d' ' -f2- | while read -r old; do rm -rf "$old"; done
rm -rf "$folder"
mkdir -p "$folder"
work="$(mktemp -d /var/tmp/lions-lab-components.XXXXXX)"
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM

# shellcheck disable=SC2034 # read by what is sourced
LAB_SUITE=bookworm
# shellcheck source=tests/lab/hosts/image.sh
. "$here/../../hosts/image.sh"
image_sources > "$work/sources"
debian="$work/debian"
# Unpacked, not installed: no script of a package runs.
mmdebstrap --quiet --mode=root --variant=extract --include=postgresql-15,redis-server,docker-registry,apache2-utils,tzdata \
  --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' bookworm "$debian" "$work/sources" \
  < /dev/null >&2 || missing "no packages of Debian"

# root NAME: a root with a shell and the users of the official images.
root() {
  local root="$work/$1" applet
  mkdir -p "$root"/{bin,etc,proc,sys,dev,lib64,root,usr/local/bin,usr/share}
  mkdir -m 1777 "$root/tmp"
  cp "$busybox" "$root/bin/busybox"
  for applet in $("$busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
  printf '%s\n' root:x:0:0:root:/root:/bin/sh postgres:x:70:70::/var/lib/postgresql:/bin/sh redis:x:999:1000::/data:/bin/sh nobody:x:65534:65534::/:/bin/false > "$root/etc/passwd"
  printf '%s\n' root:x:0: postgres:x:70: redis:x:1000: nobody:x:65534: > "$root/etc/group"
  cp "$debian/lib64/ld-linux-x86-64.so.2" "$root/lib64/"
}

# programs NAME PATH...: files of the packages, and the libraries that they need, where the packages have them.
programs() {
  local root="$work/$1" path library
  shift
  for path in "$@"; do
    mkdir -p "$root$(dirname "$path")"
    cp -L "$debian$path" "$root$path"
    chroot "$debian" /lib64/ld-linux-x86-64.so.2 --list "$path" | awk '$2 == "=>" { print $3 }' | while read -r library; do
      case "$library" in /*) ;; *) missing "no library $library for $path" ;; esac
      mkdir -p "$root$(dirname "$library")"
      [ -e "$root$library" ] || cp -L "$debian$library" "$root$library"
    done
  done
}

entrypoint() { install -m755 "$here/$1.entrypoint" "$work/$1/usr/local/bin/docker-entrypoint.sh"; }

root postgres
at=/usr/lib/postgresql/15
for program in postgres initdb pg_ctl pg_dump pg_restore psql pg_isready createdb dropdb pg_basebackup; do
  programs postgres "$at/bin/$program"
  [ "$program" = postgres ] || ln -s "$at/bin/$program" "$work/postgres/usr/local/bin/$program"
done
ln -s "$at/bin/postgres" "$work/postgres/usr/local/bin/postgres"
mkdir -p "$work/postgres$at/lib" "$work"/postgres/usr/{lib/locale,share/postgresql,share/zoneinfo}
cp -a "$debian/usr/lib/locale/C.utf8" "$work/postgres/usr/lib/locale/"
# Without the compiler, which is larger than all the rest.
(cd "$debian$at/lib" && find . -maxdepth 1 -name '*.so' ! -name 'llvmjit*' -exec cp {} "$work/postgres$at/lib/" \;)
cp -a "$debian/usr/share/postgresql/15" "$work/postgres/usr/share/postgresql/"
cp -a "$debian"/usr/share/zoneinfo/{Etc,UTC,GMT,Europe} "$work/postgres/usr/share/zoneinfo/"
mkdir -p -m 777 "$work/postgres/var" "$work/postgres/var/lib" "$work/postgres/var/run" "$work/postgres/var/lib/postgresql" "$work/postgres/var/lib/postgresql/data" "$work/postgres/var/run/postgresql"
chmod 1777 "$work/postgres/var/run/postgresql"
chmod 755 "$work/postgres/var" "$work/postgres/var/lib" "$work/postgres/var/run"
entrypoint postgres

root redis
for program in redis-server redis-cli; do programs redis "/usr/bin/$program"; done
mkdir -m 777 "$work/redis/data"
entrypoint redis

root registry
programs registry /usr/bin/docker-registry /usr/bin/htpasswd
mv "$work/registry/usr/bin/docker-registry" "$work/registry/bin/registry"
mkdir -p "$work/registry/etc/docker/registry" "$work/registry/var/lib/registry"
cp "$here/registry.yml" "$work/registry/etc/docker/registry/config.yml"
mkdir -p "$work/registry/etc/ssl/certs"
install -m755 "$here/registry.entrypoint" "$work/registry/entrypoint.sh"

python3 "$here/bundle.py" "$folder/components.tar" << IMAGES
[
  {"name": "lions.test/postgres:15", "root": "$work/postgres", "config": {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["postgres"], "StopSignal": "SIGINT",
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PGDATA=/var/lib/postgresql/data", "LANG=C.UTF-8"], "ExposedPorts": {"5432/tcp": {}}}},
  {"name": "lions.test/redis:7", "root": "$work/redis", "config": {"Entrypoint": ["docker-entrypoint.sh"], "Cmd": ["redis-server"], "WorkingDir": "/data",
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "ExposedPorts": {"6379/tcp": {}}}},
  {"name": "lions.test/registry:2", "root": "$work/registry", "config": {"Entrypoint": ["/entrypoint.sh"], "Cmd": ["/etc/docker/registry/config.yml"],
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "ExposedPorts": {"5000/tcp": {}}}}
]
IMAGES
touch "$folder/done"
say "the components' images: $(du -sm "$folder" | cut -f1) MB after $SECONDS s"
printf '%s\n' "$folder"
