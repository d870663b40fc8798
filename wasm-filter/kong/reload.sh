#!/usr/bin/env bash
# Puts another silverback.wasm into a Kong that runs, without a restart:
#
#   reload.sh cluster DIR [NAMESPACE [SELECTOR]]   the ConfigMap silverback-filter, then `kong reload` pod by pod
#   reload.sh local DIR FILTERS [PREFIX]           the folder wasm_filters_path of a Kong on this machine
#
# A Kong is reloaded when it has exactly the bytes of DIR/silverback.wasm, and not before. WAIT_SECONDS
# (180): how long the kubelet may take to bring them into a pod.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
file=silverback.wasm
mounted=/opt/silverback/wasm/$file

digest() { sha256sum | cut -d' ' -f1; }

usage() {
    sed -n 's/^# \{0,1\}//; 2,8p' "$0" >&2
    exit 2
}

dir=${2:-}
[ -n "$dir" ] || usage
wanted=$(digest <"$dir/$file")
echo "$file sha256:$wanted"

case $1 in
cluster)
    kubectl=(kubectl --namespace "${3:-default}")
    selector=${4:-app=kong}
    # Not the client's apply: it copies what it sends into an annotation, which may have 256 KiB.
    bash "$here/configmaps.sh" filter "$dir" | "${kubectl[@]}" apply --server-side --force-conflicts -f -
    pods=$("${kubectl[@]}" get pods --selector "$selector" --field-selector status.phase=Running -o name)
    [ -n "$pods" ] || {
        echo "error: no running pods with $selector (hint: reload.sh cluster DIR NAMESPACE SELECTOR)" >&2
        exit 1
    }
    for pod in $pods; do
        end=$((SECONDS + ${WAIT_SECONDS:-180}))
        until [ "$("${kubectl[@]}" exec "$pod" -c proxy -- sha256sum "$mounted" | cut -d' ' -f1)" = "$wanted" ]; do
            [ "$SECONDS" -lt "$end" ] || {
                echo "error: $pod does not get the new $file (hint: a volume with subPath is never updated)" >&2
                exit 1
            }
            sleep 2
        done
        "${kubectl[@]}" exec "$pod" -c proxy -- kong reload
        # One after the other, so that a module that does not start costs one pod.
        "${kubectl[@]}" wait --for=condition=Ready --timeout=60s "$pod"
        echo "$pod reloaded"
    done
    ;;
local)
    filters=${3:-}
    [ -n "$filters" ] || usage
    # Moved, so that no worker that starts meanwhile reads half of it.
    cp "$dir/$file" "$filters/.$file.new"
    mv "$filters/.$file.new" "$filters/$file"
    cp "$dir/silverback.meta.json" "$filters/"
    kong reload ${4:+-p "$4"}
    ;;
*)
    usage
    ;;
esac
