#!/usr/bin/env bash
# reload.sh with stand-ins for kubectl and kong: what it does, in which order, and when it does not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/wasm" "$work/filters"
printf 'new' >"$work/wasm/silverback.wasm"
printf '{}' >"$work/wasm/silverback.meta.json"
export WORK=$work PATH="$work/bin:$PATH"

# The pods have the module that POD says; each call is written down.
cat >"$work/bin/kubectl" <<'STUB'
#!/usr/bin/env bash
shift 2 # --namespace NAME
case $1 in
apply) cat >"$WORK/applied"; echo "$*" >>"$WORK/calls" ;;
get) printf 'pod/a\npod/b\n' ;;
exec)
    if [ "$6" = sha256sum ]; then printf '%s' "$POD" | sha256sum; else echo "$*" >>"$WORK/calls"; fi
    ;;
*) echo "$*" >>"$WORK/calls" ;;
esac
STUB
printf '#!/usr/bin/env bash\necho "kong $*" >>"$WORK/calls"\n' >"$work/bin/kong"
chmod +x "$work/bin/kubectl" "$work/bin/kong"

fail() {
    echo "not ok: $*" >&2
    cat "$work/calls" >&2
    exit 1
}

POD=new bash "$here/../reload.sh" cluster "$work/wasm" kong >/dev/null
grep -q "silverback.wasm: $(printf new | base64)" "$work/applied" || fail "the ConfigMap has the module"
diff - "$work/calls" <<'CALLS' || fail "pod by pod"
apply --server-side --force-conflicts -f -
exec pod/a -c proxy -- kong reload
wait --for=condition=Ready --timeout=60s pod/a
exec pod/b -c proxy -- kong reload
wait --for=condition=Ready --timeout=60s pod/b
CALLS

: >"$work/calls"
if POD=old WAIT_SECONDS=0 bash "$here/../reload.sh" cluster "$work/wasm" kong >/dev/null 2>"$work/err"; then
    fail "a pod with the old module"
fi
grep -q 'pod/a does not get the new silverback.wasm (hint: ' "$work/err" || fail "it says so"
! grep -q 'kong reload' "$work/calls" || fail "nothing is reloaded"

: >"$work/calls"
bash "$here/../reload.sh" local "$work/wasm" "$work/filters" /prefix >/dev/null
cmp "$work/wasm/silverback.wasm" "$work/filters/silverback.wasm"
diff - "$work/calls" <<<"kong reload -p /prefix" || fail "the local Kong"
[ "$(ls -A "$work/filters" | wc -l)" = 2 ] || fail "nothing else is left"

! bash "$here/../reload.sh" 2>/dev/null || fail "usage"
echo "ok  reload.sh"
