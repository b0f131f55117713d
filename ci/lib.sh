# Shared by ci/demo and ci/test: what must be installed, and installing it. Sourced, not run.

# Installs Debian packages for the commands that are missing: need COMMAND PACKAGE [COMMAND PACKAGE ...]
need() {
    local missing=()
    while (($#)); do
        command -v "$1" >/dev/null 2>&1 || missing+=("$2")
        shift 2
    done
    ((${#missing[@]})) || return 0
    local sudo=()
    if [[ $(id -u) -ne 0 ]]; then
        command -v sudo >/dev/null || { echo "please install: ${missing[*]}" >&2; return 1; }
        sudo=(sudo)
    fi
    if ! command -v apt-get >/dev/null; then
        echo "please install: ${missing[*]} (this is no Debian system, so it cannot be done for you)" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    "${sudo[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# A C compiler for ring, a C++ compiler for openh264, cmake for libopus; nasm makes the H.264 encoder
# 2.8 times faster.
need_build_tools() {
    command -v cargo >/dev/null || { echo "please install Rust 1.88 or later: https://rustup.rs" >&2; return 1; }
    need cc gcc g++ g++ make make cmake cmake nasm nasm
}

# libvpx and its headers, which only the feature libvpx takes. There is no command to look for.
need_libvpx() {
    echo '#include <vpx/vp8cx.h>' | cc -E -x c - >/dev/null 2>&1 || need "libvpx's headers" libvpx-dev
}

# The browser that the peers are checked with.
need_chromium() { need chromium chromium; }

# The TURN server that bots are relayed by.
need_coturn() { need turnserver coturn; }

# The gateway that bots publish to and play from.
need_janus() { need janus janus; }

# Node.js, and the packages that the servers of other people need, of exactly the versions in the lock file.
need_node_peers() {
    need node nodejs npm npm
    local folder=harness/tests/node
    # npm writes this when it is done.
    [[ $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ]] && return
    npm --prefix "$folder" ci --ignore-scripts
}
