#!/usr/bin/env bash
# Checks and tests the Kong plugin with stand-ins for Kong's modules: under Debian's LuaJIT, then in Debian's nginx
# with its Lua module. Installs what is missing. The shared cases are in wasm-filter/core/testdata.
set -euo pipefail
cd "$(dirname "$0")/../wasm-filter/kong"

missing=()
command -v luajit >/dev/null || missing+=(luajit)
command -v luacheck >/dev/null || missing+=(lua-check)
command -v busted >/dev/null || missing+=(lua-busted)
luajit -e 'require "cjson"' 2>/dev/null || missing+=(lua-cjson)
module() { [ -e "/usr/lib/nginx/modules/$1.so" ]; }
{ command -v nginx >/dev/null && module ngx_http_lua_module && module ndk_http_module; } ||
    missing+=(nginx-light libnginx-mod-http-lua)
[ -e /usr/share/lua/5.1/resty/core.lua ] || missing+=(lua-resty-core)
command -v python3 >/dev/null || missing+=(python3)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    # RUNLEVEL: Debian's nginx shall not start as a service.
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "${missing[@]}" >/dev/null
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
python3 spec/nginx/test_nginx.py
