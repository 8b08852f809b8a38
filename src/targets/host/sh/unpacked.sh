LC_ALL=C; export LC_ALL
# Each part of the folder one is in: what it is, and what a file holds. The path comes last.
listing() {
  {
    find . -mindepth 1 ! -path ./.lions-archive -printf '%y %m %U %G %l//%P\0'
    find . -mindepth 1 -type f ! -path ./.lions-archive -exec sha256sum -z -- {} +
  } | sort -z
}
look() (
  if [ -e "${1%/*}/$2" ]; then echo torn; fi
  [ -d "$1" ] || { echo absent; exit 0; }
  cd -- "$1" || exit 1
  [ -f .lions-archive ] && [ ! -L .lions-archive ] || { echo foreign; exit 0; }
  head -n 1 .lions-archive || exit 1
  t=$(mktemp) || exit 1; trap 'rm -f "$t"' EXIT
  listing >"$t" || exit 1
  tail -n +2 .lions-archive | comm -z -3 - "$t" | head -c 65536
)
