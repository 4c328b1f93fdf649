#!/bin/sh
# Cài cổng camera từ thư mục này, không cần mạng. Installs the camera gateway from this folder, without a network.
#
#   sudo ./install.sh                          hỏi vân tay khóa · asks about the key's fingerprint
#   sudo ./install.sh --fingerprint ABCD...    vân tay nhận bằng đường khác · it came another way
#
# Chỉ cài khi chữ ký và mã băm đều đúng; khóa đã có trong máy thì dùng khóa đó. Only where signature and sums
# are right; a key that this machine has already is the one that counts.
set -eu
cd "$(dirname "$0")"

known=/etc/apt/keyrings/camera-gateway.gpg
die() { echo "install.sh: $*" >&2; exit 1; }

expected=
if [ "${1:-}" = --fingerprint ]; then expected=$(echo "${2:?}" | tr -d ' :' | tr a-f A-F); fi
[ "$(id -u)" = 0 ] || die "chạy bằng sudo · run it with sudo"

# Copied first: what is verified is what is installed, whatever becomes of the stick meanwhile.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
arch=$(dpkg --print-architecture)
cp SHA256SUMS SHA256SUMS.gpg camera-gateway.gpg "$copy"
cp camera-gateway_*_"$arch".deb "$copy" || die "không có gói cho · no package for $arch"
[ ! -d trusted ] || cp -r trusted "$copy"
cd "$copy"
# A link would lead back to what can still be changed.
[ -z "$(find . ! -type f ! -type d)" ] || die "có liên kết lạ · there is something that is no file"

keyring=$known
[ -e "$known" ] || keyring=$copy/camera-gateway.gpg
said=$(gpgv --status-fd 1 --keyring "$keyring" SHA256SUMS.gpg SHA256SUMS 2>/dev/null) ||
  die "CHỮ KÝ SAI: không cài · the signature is wrong: nothing is installed"
fingerprint=$(echo "$said" | sed -n 's/^\[GNUPG:\] VALIDSIG .* \([0-9A-F]*\)$/\1/p')
if [ -n "$expected" ]; then
  [ "$fingerprint" = "$expected" ] || die "khóa khác · another key: $fingerprint"
elif [ ! -e "$known" ]; then
  echo "Khóa ký · signed by: $fingerprint"
  printf 'Đúng vân tay đã nhận? Is it the fingerprint that you were told? [y/N] '
  read -r answer || answer=n
  case "$answer" in [yY]*) ;; *) die "không cài · nothing is installed" ;; esac
fi
sha256sum --check --strict --quiet --ignore-missing SHA256SUMS || die "MÃ BĂM SAI · a sum is wrong: nothing is installed"
listed() { sed -n 's/^[0-9a-f]\{64\}  //p' SHA256SUMS; }
find . -type f ! -path ./SHA256SUMS ! -path ./SHA256SUMS.gpg | while read -r each; do
  listed | grep -qxF -- "${each#./}" || die "không có trong danh sách · not on the list: $each"
done

# Only what is on the list, by its name there; of several versions the newest.
deb=$(listed | grep -x "camera-gateway_[^/]*_$arch\.deb" | sort -V | tail -n 1)
[ -f "$deb" ] || die "không có gói cho · no package for $arch"
dpkg --install "./$deb" || die "xem ở trên · see above; apt-get -f install gets what Debian lacks"
install -D -m 644 camera-gateway.gpg "$known"
listed | grep -x 'trusted/[A-Za-z0-9_-]*\.pem' | while read -r each; do
  install -m 644 "$each" /etc/camera-gateway/trusted/
done
echo "xong · done: $(camera-gateway --version | head -n 1)"
