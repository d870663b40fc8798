#!/usr/bin/env bash
# Checks and tests the Kong plugin under Debian's LuaJIT, with stand-ins for Kong's modules. Installs what is
# missing. The shared cases are in wasm-filter/core/testdata.
set -euo pipefail
cd "$(dirname "$0")/../wasm-filter/kong"

missing=()
command -v luajit >/dev/null || missing+=(luajit)
command -v luacheck >/dev/null || missing+=(lua-check)
command -v busted >/dev/null || missing+=(lua-busted)
luajit -e 'require "cjson"' 2>/dev/null || missing+=(lua-cjson)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
fi

luacheck --no-color --quiet .

# The deployment lists each file of the plugin, since a ConfigMap has no folders.
listed=$(sed -n 's/^ *path: \(.*\.lua\)$/\1/p' ../../examples/kong/deployment.yaml | sort)
there=$(cd kong/plugins/silverback && find . -name '*.lua' | sed 's|^\./||' | sort)
diff <(echo "$listed") <(echo "$there") || {
    echo "examples/kong/deployment.yaml does not list the plugin's files (hint: wasm-filter/kong/configmaps.sh items)" >&2
    exit 1
}

luajit "$(command -v busted)" --output=plainTerminal
