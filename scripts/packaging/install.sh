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
find . -type f ! -name 'SHA256SUMS*' ! -name camera-gateway.gpg | while read -r each; do
  grep -qxE "[0-9a-f]{64}  ${each#./}" SHA256SUMS || die "không có trong danh sách · not on the list: $each"
done

dpkg --install camera-gateway_*_"$arch".deb || die "xem ở trên · see above; apt-get -f install gets what Debian lacks"
install -D -m 644 camera-gateway.gpg "$known"
for each in trusted/*.pem; do
  [ ! -e "$each" ] || install -m 644 "$each" /etc/camera-gateway/trusted/
done
echo "xong · done: $(camera-gateway --version | head -n 1)"
