#!/usr/bin/env bash
# Prints what loads filter and plugin into a stock Kong image:
#
#   configmaps.sh filter DIR    ConfigMap silverback-filter: silverback.wasm and silverback.meta.json of DIR
#   configmaps.sh plugin        ConfigMap silverback-plugin: the plugin's files, `.` in keys for folders
#   configmaps.sh items         the `items` of the volume that makes the folders again
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
plugin="$here/kong/plugins/silverback"

files() {
    (cd "$plugin" && find . -name '*.lua' | sed 's|^\./||' | LC_ALL=C sort)
}

case ${1:-} in
filter)
    dir=${2:?the folder of silverback.wasm, e.g. target/wasm}
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: silverback-filter\nbinaryData:\n'
    printf '  silverback.wasm: %s\n' "$(base64 -w0 "$dir/silverback.wasm")"
    printf 'data:\n  silverback.meta.json: |\n'
    sed 's/^/    /' "$dir/silverback.meta.json"
    ;;
plugin)
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: silverback-plugin\ndata:\n'
    files | while read -r file; do
        printf '  %s: |\n' "${file//\//.}"
        sed 's/^\(.\)/    \1/' "$plugin/$file"
    done
    ;;
items)
    files | while read -r file; do
        printf '            - key: %s\n              path: %s\n' "${file//\//.}" "$file"
    done
    ;;
*)
    sed -n 's/^# \{0,1\}//; 2,6p' "$0" >&2
    exit 2
    ;;
esac
