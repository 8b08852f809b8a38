# URL NEXT: prints what is there. NEXT is what it may lead to. 61: not reached; 64: not given; 65: nothing to fetch with.
if command -v curl >/dev/null; then
  curl -q --fail --silent --show-error --location --max-redirs 10 --globoff --proto '=http,https' --proto-redir "=$2" \
    --connect-timeout 30 --max-time 60 --max-filesize 1048576 -- "$1"
  case $? in 0) ;; 22) exit 64 ;; *) exit 61 ;; esac
elif command -v wget >/dev/null; then
  wget --no-verbose --no-hsts --max-redirect=10 --timeout=30 --tries=1 --output-document=- -- "$1"
  case $? in 0) ;; 8) exit 64 ;; *) exit 61 ;; esac
else
  exit 65
fi
