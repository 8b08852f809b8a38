# As for a login: a shell that sudo or sshd starts has lost them.
while IFS= read -r l; do
  l=${l#export }; n=${l%%=*}; v=${l#*=}; v=${v#[\"\']}; v=${v%[\"\']}
  case $n in
    http_proxy | https_proxy | no_proxy | all_proxy | HTTPS_PROXY | NO_PROXY | ALL_PROXY)
      eval "[ -n \"\${$n-}\" ] || { $n=\$v; export $n; }" ;;
  esac
done 2>/dev/null </etc/environment
