# What the scenario does and asks. To be sourced; work, cgroup, here, root and emulator are set.
# shellcheck shell=bash disable=SC2154

release() {
  helm upgrade --install waflows-operator "$root/charts/waflows-operator" --namespace waflows \
    --values "$here/values.yaml" --hide-notes "$@"
}

operator() {
  kubectl --namespace waflows "$@"
}

messaging() {
  kubectl --namespace messaging "$@"
}

# field OBJECT JSONPATH, of an object in the operator's namespace.
field() {
  operator get "$1" --output "jsonpath=$2"
}

pods() {
  operator get pods --selector app.kubernetes.io/name=waflows-operator --output json
}

ready_pods() {
  pods | jq --raw-output '.items[] | select(.metadata.deletionTimestamp == null)
    | select(any(.status.conditions[]?; .type == "Ready" and .status == "True")) | .metadata.name'
}

no_pods() {
  [[ $(pods | jq '.items | length') == 0 ]]
}

new_pod_is_ready() {
  ready_pods | grep --quiet --line-regexp --invert-match --fixed-strings "$1"
}

# The pod that holds the Lease; a random suffix follows its name there.
leader() {
  field lease/waflows-operator '{.spec.holderIdentity}' | sed 's/_[^_]*$//'
}

leads() {
  [[ -n $(leader) ]] && ready_pods | grep --quiet --line-regexp "$(leader)"
}

led_by_another_than() {
  [[ -n $(leader) && $(leader) != "$1" ]]
}

handled() {
  [[ $(messaging get fek/storefront --output 'jsonpath={.status.lastHandledSyncRequest}') == "$1" ]]
}

token() {
  echo EAAnode
}

# Makes a key, or replaces it.
new_key() {
  openssl genrsa -out "$work/private.pem" 2048 2>/dev/null
  messaging create secret generic flows-key --from-file="$work/private.pem" --dry-run=client --output yaml |
    messaging apply --filename -
}

# SHA-256 of the current key's SubjectPublicKeyInfo.
fingerprint() {
  openssl pkey -in "$work/private.pem" -pubout -outform DER | openssl dgst -sha256 | sed 's/.* //'
}

numbers() {
  messaging get fek/storefront --output json | jq --raw-output '.spec.phoneNumberIds[]'
}

# Says both the operator and the emulator.
every_number_holds_the_key() {
  local number status='{.status.publicKeyFingerprint} {.status.conditions[?(@.type=="Ready")].status}'
  [[ $(messaging get fek/storefront --output "jsonpath=$status") == "sha256:$(fingerprint) True" ]] || return
  for number in $(numbers); do
    curl --silent --fail "$emulator/numbers/$number" | jq --exit-status --arg fingerprint "$(fingerprint)" \
      '.fingerprint == $fingerprint and .signature_status == "VALID"' || return
  done
}

# Uploads of the current key, as the emulator saw them.
uploads() {
  curl --silent --fail "$emulator/uploads" |
    jq --arg fingerprint "$(fingerprint)" 'map(select(.fingerprint == $fingerprint)) | length'
}

some_upload() {
  (($(uploads) > 0))
}

# In KiB.
chart_memory_limit() {
  local bytes
  bytes=$(helm show values "$root/charts/waflows-operator" --jsonpath '{.resources.limits.memory}' |
    numfmt --from=iec-i)
  echo $((bytes / 1024))
}

# cgroup_value POD FILE…: the first of these files that there is, of the operator's container. Versions 1 and 2 of
# cgroups have different ones.
cgroup_value() {
  local container folder file
  container=$(field "pod/$1" '{.status.containerStatuses[0].containerID}')
  folder=$(find /sys/fs/cgroup -type d -path "*/$cgroup/*/${container#containerd://}" \
    \( -path '*/memory/*' -o -exec test -e '{}/memory.max' \; \) -print -quit)
  for file in "${@:2}"; do
    [[ ! -e $folder/$file ]] || { cat "$folder/$file" && return; }
  done
}

# The most memory that the operator's process in a pod ever had, in KiB, with what it shares.
peak_resident() {
  awk '$1 == "VmHWM:" { print $2 }' "/proc/$(cgroup_value "$1" cgroup.procs)/status"
}

now() {
  date +%s%3N
}

# Milliseconds since a time.
since() {
  echo $(($(now) - $1))
}
