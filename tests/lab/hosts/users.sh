#!/bin/bash
#! Who may log in on a host: the same key opens all of them, and each is peculiar in one way. Sourced.
#
#   root     as itself
#   ops      sudo without a password; what most tests use
#   pw       sudo with the password `open sesame`
#   nosudo   no sudo at all
#   dashy    login shell /bin/sh, cshy: tcsh, nologin: /usr/sbin/nologin
#   noisy    a .bashrc that talks on both streams; leaver: one that ends the shell; reader: one that reads a line
#   strict   umask 077 in .bashrc; forced: a ForceCommand; ttyish: sudo only on a terminal
# All but nosudo and pw have sudo without a password.

user_add() { # ROOT NAME UID SHELL
  chroot "$1" useradd -m -s "$4" -u "$3" "$2" || die "no user $2"
  mkdir -p -m700 "$1/home/$2/.ssh"
  cp "$LAB_KEY.pub" "$1/home/$2/.ssh/authorized_keys"
  case $2 in nosudo) ;; pw) echo 'pw ALL=(ALL) ALL' >"$1/etc/sudoers.d/pw" ;; *) echo "$2 ALL=(ALL) NOPASSWD:ALL" >"$1/etc/sudoers.d/$2" ;; esac
}

image_users() {
  local root=$1 name
  mkdir -p -m700 "$root/root/.ssh"
  cp "$LAB_KEY.pub" "$root/root/.ssh/authorized_keys"
  user_add "$root" ops 1000 /bin/bash
  user_add "$root" pw 1001 /bin/bash
  echo 'pw:open sesame' | chroot "$root" chpasswd || die "no password for pw"
  user_add "$root" nosudo 1002 /bin/bash
  user_add "$root" dashy 1003 /bin/sh
  user_add "$root" cshy 1004 /bin/tcsh
  user_add "$root" nologin 1005 /usr/sbin/nologin
  user_add "$root" noisy 1006 /bin/bash
  user_add "$root" leaver 1007 /bin/bash
  user_add "$root" reader 1008 /bin/bash
  user_add "$root" strict 1009 /bin/bash
  user_add "$root" forced 1010 /bin/bash
  user_add "$root" ttyish 1011 /bin/bash
  # Bash reads .bashrc also where sshd starts it without a terminal; nothing here asks whether it is interactive.
  cat >"$root/home/noisy/.bashrc" <<'B'
printf 'Welcome!\n\033[31mred\033[0m \0 no newline at the end'
echo 'and a complaint' >&2
alias cat='echo never' stat='echo never'
export LC_ALL=de_DE.UTF-8 GREP_OPTIONS=-v IFS=x CDPATH=/ POSIXLY_CORRECT=1
PATH=$PATH:/nowhere
B
  echo 'exit 0' >"$root/home/leaver/.bashrc"
  echo 'read x' >"$root/home/reader/.bashrc"
  echo 'umask 077' >"$root/home/strict/.bashrc"
  echo "command=\"echo forced says hi\" $(cat "$LAB_KEY.pub")" >"$root/home/forced/.ssh/authorized_keys"
  echo 'Defaults:ttyish requiretty' >>"$root/etc/sudoers.d/ttyish"
  chmod 440 "$root"/etc/sudoers.d/*
  for name in "$root"/home/*; do name=${name##*/}; chroot "$root" chown -R "$name:$name" "/home/$name"; done
  chmod 600 "$root"/home/*/.ssh/authorized_keys "$root/root/.ssh/authorized_keys"
}
