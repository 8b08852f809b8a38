# The folder HOME of the user NAME, with what stands in /etc/skel; MODE is its mode.
P=$HOMEDIR D=${HOMEDIR%/*}; D=${D:-/}
T=; trap '[ -z "$T" ] || rm -rf "$T"' EXIT; trap 'exit 60' HUP INT TERM PIPE
[ -d "$D" ] || { printf '%s\n' "$D" >&2; exit 51; }
[ ! -e "$P" ] && [ ! -L "$P" ] || exit 48
sweep "$D"
T=$(mktemp -d "$D/$B.XXXXXX") || exit 43
if [ -d /etc/skel ]; then cp -a --no-preserve=ownership -- /etc/skel/. "$T"/ || exit 44; fi
chown -R -h -- "$(id -u -- "$NAME"):$(id -g -- "$NAME")" "$T" && chmod -- "$MODE" "$T" || exit 46
mv -T -- "$T" "$P" || exit 49
T=; sync "$D"
