#!/bin/sh
# Writes Hark's policies and login roles to the Vault or OpenBao that VAULT_ADDR and VAULT_TOKEN name.
# May be run again: it writes the same. README.md beside it says what each setting means.
set -eu

cli=${CLI:-vault}
mount=${MOUNT:-secret}
prefix=${PREFIX:-}
namespace=${NAMESPACE:-hark-system}
listener=${LISTENER:-hark-listener}
reconciler=${RECONCILER:-hark-reconciler}
auth=${AUTH:-kubernetes}
auth_mount=${AUTH_MOUNT:-$auth}
audience=${AUDIENCE:-}
here=$(dirname "$0")

for name in "$mount" "$prefix" "$auth_mount"; do
  case $name in
    *[!A-Za-z0-9_./-]*)
      echo "apply.sh: '$name' may hold letters, digits and _ . / - alone." >&2
      exit 2
      ;;
  esac
done

# Prints a policy for the mount and the prefix that were chosen.
policy() {
  sed -e "s|\"secret/\([a-z]*/\)\{0,1\}\*\"|\"$mount/\1$prefix*\"|" "$here/$1.hcl"
}

role() { # role, ServiceAccount, policies
  case $auth in
    kubernetes)
      set -- "$@" bound_service_account_names="$2" bound_service_account_namespaces="$namespace"
      if [ -n "$audience" ]; then
        set -- "$@" audience="$audience"
      fi
      ;;
    jwt)
      if [ -z "$audience" ]; then
        echo "apply.sh: with AUTH=jwt say by AUDIENCE for whom the tokens are made." >&2
        exit 2
      fi
      set -- "$@" role_type=jwt user_claim=sub bound_audiences="$audience" \
        bound_subject="system:serviceaccount:$namespace:$2"
      ;;
    *)
      echo "apply.sh: AUTH is kubernetes or jwt, not '$auth'." >&2
      exit 2
      ;;
  esac
  path=auth/$auth_mount/role/$1
  policies=$3
  shift 3
  "$cli" write "$path" token_policies="$policies" token_ttl=1h "$@"
}

policy hark-listener | "$cli" policy write hark-listener -
policy hark-reconciler | "$cli" policy write hark-reconciler -
heard=hark-listener
if [ "${EVENTS:-false}" = true ]; then
  policy hark-listener-events | "$cli" policy write hark-listener-events -
  heard=hark-listener,hark-listener-events
fi
role hark-listener "$listener" "$heard"
role hark-reconciler "$reconciler" hark-reconciler
