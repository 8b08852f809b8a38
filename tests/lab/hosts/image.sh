#!/bin/bash
#! The image that every host starts from: a small Debian with systemd and sshd, built once a machine. Sourced.

# Where the packages of the image come from: what this machine uses itself, with the hosts' suite, else Debian.
image_sources() {
  local file=/etc/apt/sources.list.d/debian.sources
  if [ -r $file ]; then
    awk -v suite="$LAB_SUITE" '
      /^URIs:/ { at = $2 }
      /^Suites:/ { if ($2 ~ /security/) print "deb", at, suite "-security", "main"
                   else { print "deb", at, suite, "main"; print "deb", at, suite "-updates", "main" } }' $file
  else
    printf 'deb http://deb.debian.org/debian %s main\ndeb http://deb.debian.org/debian-security %s-security main\n' \
      "$LAB_SUITE" "$LAB_SUITE"
  fi
}

# Builds the image unless it is there. Two that need it at once: the second waits.
image_build() {
  mkdir -p "$LAB_CACHE/images"
  (
    flock 8
    if [ ! -e "$LAB_IMAGE/done" ]; then
      image_sweep
      unmount_below "$LAB_IMAGE"
      rm -rf --one-file-system "$LAB_IMAGE"
      mkdir -p "$LAB_IMAGE"
      ssh-keygen -q -t ed25519 -N '' -C lab -f "$LAB_KEY" </dev/null || die "no key"
      mirror_build
      image_debian "$LAB_IMAGE/root"
      image_configure "$LAB_IMAGE/root"
      image_users "$LAB_IMAGE/root"
      touch "$LAB_IMAGE/done"
    fi
    touch "$LAB_IMAGE"
    image_modules "$LAB_IMAGE/root"
  ) 8>"$LAB_CACHE/images/lock" || exit
}

# Images of other states of these files: the three used last stay, for who works on several states at once.
image_sweep() {
  local image
  while read -r image; do
    grep -qF "${image// /\\040}/root" /proc/self/mounts || rm -rf --one-file-system "$image"
  done < <(find "$LAB_CACHE/images" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn | tail -n +4 | cut -d' ' -f2-)
}

image_debian() {
  local root=$1 sources=$LAB_IMAGE/sources.list packages
  packages=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,iproute2,procps,curl,ca-certificates,iptables
  packages+=,nftables,kmod,cron,tzdata,xz-utils,bzip2,zstd,unzip,tcsh,libfaketime
  image_sources >"$sources"
  echo "lab: building the image of the hosts in '$LAB_IMAGE': once, about a minute" >&2
  setpriv --pdeathsig TERM mmdebstrap --quiet --mode=root --variant=minbase --dpkgopt=force-unsafe-io --include=$packages \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$LAB_SUITE" "$root" "$sources" </dev/null >&2 || lacks "needs the packages of Debian, and cannot get them"
}

image_configure() {
  local root=$1 unit
  rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id "$root"/etc/resolv.conf "$root"/etc/hostname
  : >"$root/etc/machine-id"
  : >"$root/etc/default/locale"
  echo 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"
  printf 'HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\n' >"$root/etc/ssh/sshd_config.d/10-lab.conf"
  mkdir -p "$root/etc/systemd/journald.conf.d"
  printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\nRuntimeMaxFileSize=2M\n' >"$root/etc/systemd/journald.conf.d/lab.conf"

  # The only source of packages is the lab's mirror. Nothing else is there: the hosts reach nothing.
  rm -rf "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
  cp "$LAB_IMAGE/mirror/keys/lab.gpg" "$root/usr/share/keyrings/lab.gpg"
  echo "deb [signed-by=/usr/share/keyrings/lab.gpg] http://mirror.lab/apt lab main" >"$root/etc/apt/sources.list.d/lab.list"

  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    getty@tty1.service getty-static.service console-getty.service systemd-networkd.service systemd-resolved.service \
    systemd-timesyncd.service sys-fs-fuse-connections.mount dev-hugepages.mount systemd-modules-load.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
  image_unit "$root" sysctl "private copies of what belongs to the kernel below all hosts" "systemd-sysctl.service sysinit.target"
  image_unit "$root" cgroups "writable cgroup v1 trees" sysinit.target
  # systemd-sysctl writes without truncating, which a plain file does not bear; that of procps truncates.
  mkdir -p "$root/etc/systemd/system/systemd-sysctl.service.d"
  printf '[Service]\nExecStart=\nExecStart=-/usr/sbin/sysctl -q --system\n' >"$root/etc/systemd/system/systemd-sysctl.service.d/lab.conf"
  chroot "$root" systemctl set-default multi-user.target >/dev/null 2>&1
}

# image_unit ROOT NAME DESCRIPTION BEFORE: runs inside/NAME.sh early at each boot of a host.
image_unit() {
  install -D -m755 "$LAB_HERE/inside/$2.sh" "$1/usr/local/lib/lab/$2.sh"
  printf '[Unit]\nDescription=lab: %s\nDefaultDependencies=no\nBefore=%s\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/lib/lab/%s.sh\n[Install]\nWantedBy=sysinit.target\n' \
    "$3" "$4" "$2" >"$1/etc/systemd/system/lab-$2.service"
  chroot "$1" systemctl enable "lab-$2.service" >/dev/null 2>&1
}

# Where the machine's kernel has everything built in and no /lib/modules: tells modprobe so, or each modprobe fails.
image_modules() {
  local modules
  modules=$1/lib/modules/$(uname -r)
  [ ! -e "$modules/modules.builtin.bin" ] || return 0
  mkdir -p "$modules"
  : >"$modules/modules.order"
  printf 'kernel/%s.ko\n' net/bridge/br_netfilter net/bridge/bridge fs/overlayfs/overlay drivers/net/vxlan/vxlan drivers/net/veth \
    net/netfilter/nf_conntrack net/ipv4/netfilter/ip_tables net/ipv4/netfilter/iptable_nat net/netfilter/nf_tables drivers/net/tun \
    >"$modules/modules.builtin"
  chroot "$1" depmod "$(uname -r)" 2>/dev/null
  return 0
}
