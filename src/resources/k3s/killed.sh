[ -z "$left" ] || exit 1
rm -rf --one-file-system -- /run/k3s
