# Starts a node and its control plane. To be sourced as root in new mount, network and process namespaces, with work (a
# folder of its own) and cgroup (a name of its own) in the environment, and here set to this folder.
# shellcheck shell=bash disable=SC2154

readonly address=10.244.0.1 # of the node, as the pods see it

start_node() {
  export TMPDIR=$work/tmp
  mkdir "$work"/{tmp,logs,containerd,kubelet}
  isolate
  network
  start_control_plane
  redirect_to_api_server
  start_services
  start_containerd
  start_kubelet
  background kube-scheduler --kubeconfig "$KUBECONFIG" --leader-elect=false --secure-port=0
  eventually 120 "the node is ready" kubectl wait --for=condition=Ready "node/$address" --timeout=2s
}

# What a node changes on its machine stays in this mount namespace: sockets, states, logs, and the kernel's settings
# that the kubelet wants to have.
isolate() {
  local setting copy
  mount -t tmpfs tmpfs /run
  mkdir -p "$work"/var/{upper,work} /run/node /run/settings
  mount -t overlay overlay -o "lowerdir=/var,upperdir=$work/var/upper,workdir=$work/var/work" /var
  for setting in vm/{overcommit_memory,panic_on_oom} kernel/{panic{,_on_oops},keys/root_max{keys,bytes}}; do
    copy=/run/settings/${setting//\//.}
    cat "/proc/sys/$setting" >"$copy"
    mount --bind "$copy" "/proc/sys/$setting"
  done
  cp "$here"/config/* /run/node
}

network() {
  ip link set lo up
  ip link add pods type bridge
  ip address add "$address/24" dev pods
  ip link set pods up
}

# Keeps its standard input open: it ends when that closes.
start_control_plane() {
  local kubeconfig
  coproc CONTROL_PLANE { exec control-plane 2>"$work/logs/control-plane.log"; }
  read -r kubeconfig <&"${CONTROL_PLANE[0]}"
  # The user's own settings and caches of kubectl and helm stay out of it.
  export KUBECONFIG=$kubeconfig HOME=$work/tmp
}

# The Service of the API server leads to where it listens. kube-proxy cannot do this: it has no endpoint, as an endpoint
# may not have a loopback address.
redirect_to_api_server() {
  local server
  server=$(kubectl config view --output 'jsonpath={.clusters[0].cluster.server}')
  echo 1 >/proc/sys/net/ipv4/conf/pods/route_localnet
  iptables --table nat --append PREROUTING --in-interface pods --destination 10.96.0.1 --protocol tcp --dport 443 \
    --jump DNAT --to-destination "${server#https://}"
}

# What makes Services work: their addresses (kube-proxy) and their names (the name server, which the kubelet gives to every
# pod). The host's kernel may not filter what crosses a bridge, so all that goes to a Service is masqueraded.
start_services() {
  background kube-proxy --kubeconfig "$KUBECONFIG" --hostname-override "$address" --proxy-mode iptables \
    --cluster-cidr 10.244.0.0/24 --masquerade-all --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0s \
    --conntrack-tcp-timeout-close-wait 0s
  printf '.:53 {\n  errors\n  kubernetes cluster.local {\n    kubeconfig %s\n  }\n}\n' "$KUBECONFIG" >/run/node/Corefile
  background "$work/name-server" -conf /run/node/Corefile
}

start_containerd() {
  local image
  background containerd --config /run/node/containerd.toml --root "$work/containerd"
  eventually 60 "containerd answers" ctr version
  for image in pause operator emulator; do
    ctr --namespace k8s.io images import --local "$work/$image.tar" >"$work/logs/import-$image.log"
  done
}

# The API server reaches the kubelet by the node's name, which no name server knows: so the name is an address.
start_kubelet() {
  # Version 1 has a hierarchy for each controller, version 2 one for all.
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    mkdir "/sys/fs/cgroup/$cgroup"
  else
    find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d -exec mkdir {}/"$cgroup" \;
  fi
  echo "cgroupRoot: /$cgroup" >>/run/node/kubelet.yaml
  background kubelet --config /run/node/kubelet.yaml --kubeconfig "$KUBECONFIG" --root-dir "$work/kubelet" \
    --hostname-override "$address" --node-ip "$address"
}

# Runs a program in the background; its log is named after it.
background() {
  "$@" >"$work/logs/$(basename "$1").log" 2>&1 &
}

# eventually SECONDS WHAT COMMAND…: polls until the command succeeds.
eventually() {
  local limit=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >"$work/tmp/last" 2>&1; do
    ((SECONDS < limit)) || fail "It did not happen that $what. The last attempt said: $(<"$work/tmp/last")"
    sleep 0.05
  done
}

fail() {
  echo "$*" >&2
  exit 1
}

# Everything that may show why the test failed.
print_logs() {
  local log
  {
    kubectl get pods,events,leases,flowsencryptionkeys --all-namespaces --output wide || true
    shopt -s globstar nullglob
    for log in "$work"/logs/*.log "$work"/tmp/control-plane-*/*.log /var/log/pods/**/*.log; do
      echo "=== end of $log"
      tail --lines 30 "$log" | cut --characters -500
    done
  } >&2
}
