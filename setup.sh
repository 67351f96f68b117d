#!/bin/sh
# Everything the product needs on a fresh Debian 12 machine; with "test" also what
# its tests need, with "guest" what the tests in a QEMU guest need besides, with "image"
# what `make image` needs, with "bench" the peers that the bench measures next to us.
# Non-interactive; repeating it costs a second when nothing is missing.
set -eu
cd "$(dirname "$0")"
want=${1:-run}

# --- Debian packages ---------------------------------------------------------------
packages="python3 python3-venv espeak-ng ca-certificates"
# Line cards: sound and hot-plug; supervision by systemd. pyalsaaudio and systemd-python come as source and are
# compiled here.
packages="$packages libasound2 libudev1 libsystemd0 gcc libc6-dev python3-dev pkg-config libasound2-dev libsystemd-dev"
command -v npm >/dev/null 2>&1 || packages="$packages npm"
guest=""
if [ "$want" = guest ]; then
    # No kernel is installed here: tests/guest fetches its own.
    guest="qemu-system-x86 linux-headers-amd64 dahdi-source busybox-static kmod cpio bzip2 make binutils util-linux"
    want=test
fi
if [ "$want" = image ] || [ "$want" = test-image ]; then
    guest="mmdebstrap genimage mtools dosfstools e2fsprogs squashfs-tools rauc openssl xz-utils cpio kmod binutils git"
    guest="$guest grub-common grub-pc-bin grub-efi-amd64-bin"
    if [ "$want" = test-image ]; then
        guest="$guest qemu-system-x86 qemu-utils ovmf fdisk gdisk openssh-client samba"
        want=test
    else
        want=run
    fi
fi
if [ "$want" = test ] || [ "$want" = bench ]; then
    # Made-up USB devices for the tests of hot-plug.
    packages="$packages umockdev gir1.2-umockdev-1.0 python3-gi"
    # Programs of the flashed box, for the tests of what works with them.
    packages="$packages rauc squashfs-tools openssl openssh-client nftables"
    packages="$packages git chromium fonts-noto-cjk asterisk-core-sounds-en-wav asterisk-moh-opsound-wav"
    # Two fax machines, whose pages must pass through the box.
    packages="$packages libspandsp2"
fi
packages="$packages $guest"
if [ "$want" = bench ]; then
    packages="$packages libspeexdsp1 multimon-ng minimodem"
    packages="$packages asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav asterisk-core-sounds-it-wav"
    packages="$packages asterisk-core-sounds-ru-wav asterisk-prompt-it-menardi-wav"
    # Recordings that only the long run hears.
    packages="$packages asterisk-prompt-es-co asterisk-prompt-fr-armelle klettres-data ktuberling-data singularity-music"
    packages="$packages drascula-music fillets-ng-data-cs fillets-ng-data-nl gcin-voice hedgewars-data"
    packages="$packages tuxpaint-stamps-default planetblupi-common pushover-data fretsonfire-songs-sectoid"
    packages="$packages festvox-ru kajongg scid-data codec2-examples warmux-data hyperrogue-music"
    packages="$packages megaglest-data wesnoth-1.16-music adonthell-data searchandrescue-data"
    packages="$packages unknown-horizons freedroidrpg-data boswars-data supertux-data colobot-common-sounds"
    packages="$packages naev-data planetblupi-music-ogg ardentryst frozen-bubble-data lincity-ng-data"
    packages="$packages marsshooter-data openclonk-data scorched3d-data warzone2100-music"
fi
missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    echo "setup: installing$missing"
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 || {
            echo "setup: these Debian packages are missing and there is no sudo to install them; as root run: apt-get install$missing" >&2
            exit 1
        }
        as_root="sudo"
    fi
    $as_root apt-get update -q
    # shellcheck disable=SC2086 -- a list of words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi

# --- Python packages, from the lock files with hashes ------------------------------
python=""
for candidate in python3.11 python3; do
    if command -v $candidate >/dev/null 2>&1 && [ "$($candidate -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = 3.11 ]; then
        python=$(command -v $candidate)
        break
    fi
done
[ -n "$python" ] || { echo "setup: Python 3.11 is needed (Debian 12 has it as python3)" >&2; exit 1; }

lock=requirements.lock
[ "$want" = test ] && lock=requirements-dev.lock
[ "$want" = bench ] && lock=requirements-bench.lock
mkdir -p build
new_stamp=$(cat "$lock" pyproject.toml | sha256sum | cut -d' ' -f1)
if [ ! -x .venv/bin/zongji ] || ! grep -qx "$lock $new_stamp" build/python.stamp 2>/dev/null; then
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    # The larger sets contain the smaller ones, so they satisfy their stamps too.
    { echo "$lock $new_stamp"
      [ "$want" = run ] || echo "requirements.lock $(cat requirements.lock pyproject.toml | sha256sum | cut -d' ' -f1)"
      [ "$want" != bench ] || echo "requirements-dev.lock $(cat requirements-dev.lock pyproject.toml | sha256sum | cut -d' ' -f1)"
    } > build/python.stamp
fi

# --- web assets, from the npm lock file with hashes ---------------------------------
new_stamp=$(cat package-lock.json webui/build_assets.py | sha256sum | cut -d' ' -f1)
if [ ! -d webui/static/vendor ] || [ "$(cat build/assets.stamp 2>/dev/null)" != "$new_stamp" ]; then
    npm ci --silent --no-audit --no-fund --ignore-scripts
    .venv/bin/python -m webui.build_assets
    echo "$new_stamp" > build/assets.stamp
fi

# --- things made from our own sources ------------------------------------------------
.venv/bin/python -m dsp.native.build
.venv/bin/python -m webui.build_translations
.venv/bin/python -m appliance.prompts.build
.venv/bin/python -m appliance.store.build_areas
