#!/bin/bash
#! What the hosts can install and download: two small signed apt repositories and a folder of files. Sourced.
#
# `apt` is in the sources of every host. `extra` is in none, and its key lies under keys/ (extra.asc, extra.gpg).
#   lions-hello 1.0 1.1     a program
#   lions-conf 1.0 1.1      needs lions-hello; a conffile, which 1.1 brings in another state
#   lions-daemon 1.0        a unit that the package enables and starts, run by a user that it makes
#   lions-broken 1.0        its postinst fails
#   lions-slow 1.0          its postinst takes 5 seconds
#   lions-rival 1.0         conflicts with lions-hello
#   lions-extra 1.0         in `extra` only
#   unattended-upgrades 2.9 its name only, for the platform's roles
# files/: hello.txt, big (8 MiB, the same everywhere), hello.tar.gz, SHA256SUMS.

mirror_build() {
  local mirror=$LAB_IMAGE/mirror
  mkdir -p "$mirror/apt/pool" "$mirror/extra/pool" "$mirror/keys" "$mirror/files"
  (
    work=$(mktemp -d) || die "no temporary folder"
    export GNUPGHOME=$work/gnupg # its sockets' paths must be short
    trap 'gpgconf --kill all; rm -rf "$work"' EXIT
    mkdir -m700 "$GNUPGHOME" || exit 1

    hello() { mkdir -p usr/bin; printf '#!/bin/sh\necho hello from %s\n' "$1" >usr/bin/lions-hello; chmod 755 usr/bin/lions-hello; }
    conf() { mkdir -p etc; printf 'version=%s\nname=default\n' "$1" >etc/lions-conf.conf; echo /etc/lions-conf.conf >DEBIAN/conffiles; }
    daemon() {
      mkdir -p lib/systemd/system
      printf '[Unit]\nDescription=lions test daemon\n[Service]\nUser=lions-daemon\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
        >lib/systemd/system/lions-daemon.service
      script postinst 'id lions-daemon >/dev/null 2>&1 || useradd --system --no-create-home lions-daemon' \
        'if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi' \
        'deb-systemd-helper enable lions-daemon.service >/dev/null' \
        'if [ -d /run/systemd/system ]; then deb-systemd-invoke start lions-daemon.service >/dev/null; fi'
      script prerm 'if [ -d /run/systemd/system ]; then deb-systemd-invoke stop lions-daemon.service >/dev/null; fi'
      # shellcheck disable=SC2016 # the words of a script to come
      script postrm 'if [ "$1" = purge ]; then deb-systemd-helper purge lions-daemon.service >/dev/null; fi'
    }
    broken() { script postinst 'echo "lions-broken: cannot be configured" >&2' 'exit 7'; }
    slow() { script postinst 'sleep 5'; }
    none() { :; }
    script() { local name=$1; shift; { printf '#!/bin/sh\nset -e\n'; printf '%s\n' "$@"; } >"DEBIAN/$name"; chmod 755 "DEBIAN/$name"; }

    mirror_package apt lions-hello 1.0 hello ''
    mirror_package apt lions-hello 1.1 hello ''
    mirror_package apt lions-conf 1.0 conf 'Depends: lions-hello (>= 1.0)'
    mirror_package apt lions-conf 1.1 conf 'Depends: lions-hello (>= 1.0)'
    mirror_package apt lions-daemon 1.0 daemon ''
    mirror_package apt lions-broken 1.0 broken ''
    mirror_package apt lions-slow 1.0 slow ''
    mirror_package apt lions-rival 1.0 none 'Conflicts: lions-hello'
    mirror_package apt unattended-upgrades 2.9 none ''
    mirror_package extra lions-extra 1.0 none ''
    mirror_publish "$mirror/apt" lab
    mirror_publish "$mirror/extra" extra
  ) || die "no mirror"

  echo "hello from the lab" >"$mirror/files/hello.txt"
  # Not compressible, and the same on every machine.
  head -c 8388608 /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 0 >"$mirror/files/big" 2>/dev/null
  tar -C "$mirror/files" --owner=0 --group=0 --mtime=@0 -czf "$mirror/files/hello.tar.gz" hello.txt
  (cd "$mirror/files" && sha256sum -- * >SHA256SUMS)
}

# mirror_package REPOSITORY NAME VERSION MAKE FIELD: MAKE fills the package's folder, in it.
mirror_package() {
  local folder=$work/$2-$3
  mkdir -p "$folder/DEBIAN"
  {
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: lab <lab@mirror.lab>\n' "$2" "$3"
    [ -z "$5" ] || echo "$5"
    printf 'Description: %s of the lab\n made for tests\n' "$2"
  } >"$folder/DEBIAN/control"
  (cd "$folder" && "$4" "$3") || die "no package $2"
  dpkg-deb --root-owner-group -b "$folder" "$LAB_IMAGE/mirror/$1/pool/$2_$3_all.deb" >/dev/null || die "no package $2"
}

# mirror_publish FOLDER SUITE: index and signature, by a key that is thrown away afterwards.
mirror_publish() {
  local folder=$1 suite=$2 index=main/binary-all file arch
  gpg --batch --quiet --passphrase '' --quick-generate-key "$suite of the lab <$suite@mirror.lab>" ed25519 sign never 2>/dev/null || die "no key for $suite"
  gpg --batch --quiet --export "<$suite@mirror.lab>" >"$LAB_IMAGE/mirror/keys/$suite.gpg"
  gpg --batch --quiet --armor --export "<$suite@mirror.lab>" >"$LAB_IMAGE/mirror/keys/$suite.asc"
  mkdir -p "$folder/dists/$suite/$index"
  for file in "$folder"/pool/*.deb; do
    dpkg-deb -f "$file"
    printf 'Filename: pool/%s\nSize: %s\nSHA256: %s\n\n' "${file##*/}" "$(stat -c %s "$file")" "$(sha256sum <"$file" | cut -d' ' -f1)"
  done >"$folder/dists/$suite/$index/Packages"
  arch=$(dpkg --print-architecture)
  mkdir -p "$folder/dists/$suite/main/binary-$arch"
  cp "$folder/dists/$suite/$index/Packages" "$folder/dists/$suite/main/binary-$arch/Packages"
  (
    cd "$folder/dists/$suite" || exit 1
    printf 'Origin: lab\nSuite: %s\nCodename: %s\nDate: %s\nArchitectures: %s all\nComponents: main\nSHA256:\n' \
      "$suite" "$suite" "$(date -Ru)" "$arch"
    for file in main/*/Packages; do printf ' %s %s %s\n' "$(sha256sum <"$file" | cut -d' ' -f1)" "$(stat -c %s "$file")" "$file"; done
  ) >"$folder/dists/$suite/Release"
  gpg --batch --quiet --yes -u "<$suite@mirror.lab>" --clearsign -o "$folder/dists/$suite/InRelease" "$folder/dists/$suite/Release" || die "not signed"
}
