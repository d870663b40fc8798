#!/usr/bin/env bash
# Checks and tests the Kong plugin with stand-ins for Kong's modules: under LuaJIT, then in Debian's nginx
# with its Lua module. Installs what is missing. The shared cases are in wasm-filter/core/testdata.
set -euo pipefail
cd "$(dirname "$0")/../wasm-filter/kong"

is_there() {
    for command in luajit luacheck busted nginx python3; do
        command -v "$command" >/dev/null || return 1
    done
    luajit -e 'require "cjson"' 2>/dev/null &&
        [ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] && [ -e /usr/lib/nginx/modules/ndk_http_module.so ] &&
        [ -e /usr/share/lua/5.1/resty/core.lua ]
}
if ! is_there; then
    apt-get update -qq
    # All at once: luajit2 is OpenResty's branch, and what the Lua module needs; it replaces Debian's luajit.
    # RUNLEVEL: nginx shall not start as a service.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq luajit2 lua-check lua-busted lua-cjson \
        nginx-light libnginx-mod-http-lua lua-resty-core python3 >/dev/null
fi

luacheck --no-color --quiet .

# The deployment lists each file of the plugin, since a ConfigMap has no folders.
listed=$(sed -n 's/^ *path: \(.*\.lua\)$/\1/p' ../../examples/kong/deployment.yaml | sort)
there=$(cd kong/plugins/silverback && find . -name '*.lua' | sed 's|^\./||' | sort)
diff <(echo "$listed") <(echo "$there") || {
    echo "examples/kong/deployment.yaml does not list the plugin's files (hint: wasm-filter/kong/configmaps.sh items)" >&2
    exit 1
}

bash spec/reload_test.sh
luajit "$(command -v busted)" --output=plainTerminal
python3 spec/nginx/test_nginx.py
