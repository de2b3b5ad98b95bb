//! Values: what they become, and which are refused.

use clap::Parser as _;
use serde_json::{Value, json};
use waflows_operator::cli::{Cli, Command, LogFormat, RunArgs};

use crate::admission::everything;
use crate::chart::{Objects, copy_to, helm, template};
use crate::cluster::Cluster;

fn flags(values: &Value) -> RunArgs {
    let objects = Objects::render(Cluster::shared(), "flows", "messaging", values);
    let container = &objects.deployment()["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    parse(arguments)
}

fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> RunArgs {
    match Cli::try_parse_from(std::iter::once("waflows-operator").chain(arguments)).unwrap().command {
        Command::Run(flags) => *flags,
        other => panic!("{other:?} instead of run"),
    }
}

#[test]
fn the_defaults_are_those_of_the_operator() {
    let mut of_the_operator = parse(["run"]);
    // The chart sets these on purpose.
    of_the_operator.log_format = LogFormat::Json;
    of_the_operator.leader_election = true;
    of_the_operator.lease_name = "flows-waflows-operator".into();
    assert_eq!(format!("{:?}", flags(&json!({}))), format!("{of_the_operator:?}"));
}

#[test]
fn values_become_flags() {
    let flags = flags(&everything());
    assert_eq!(flags.graph.graph_url.as_str(), "https://graph.example.com/");
    assert_eq!(flags.graph.graph_api_version, "v26.0");
    assert_eq!((flags.graph.graph_requests_per_second, flags.graph.graph_concurrency), (0, 1_000_000));
    assert!(!flags.token_inspection);
    assert_eq!(flags.graph.graph_ca_bundle, Some("/etc/waflows-operator/ca/roots.pem".into()));
    assert_eq!(flags.concurrency.get(), 1);
    assert_eq!(flags.default_check_interval.as_secs(), 5400);
    assert_eq!(flags.namespaces, ["default", "kube-public"]);
    assert_eq!(flags.selector.as_deref(), Some("tier in (gold, silver),!retired"));
    let hosts = &flags.endpoint.endpoint_allowed_hosts;
    assert_eq!(*hosts, ["flows.example.com", "*.example.org", "2001:db8::1"]);
    assert!(flags.endpoint.endpoint_probes && flags.endpoint.endpoint_allow_private_addresses);
    assert!(flags.endpoint.endpoint_allow_host_network && !flags.endpoint.endpoint_allow_loopback);
    assert_eq!((flags.log_format, flags.log_level.as_str()), (LogFormat::Text, "info,kube=debug"));
    assert_eq!(flags.http_address.to_string(), "[::]:9090");
    assert_eq!(flags.metrics_address.unwrap().to_string(), "[::]:9091");
    assert!(flags.metrics_authorization && !flags.metrics_per_resource);
}

#[test]
fn it_can_be_a_conditional_dependency() {
    let folder = tempfile::tempdir().unwrap();
    copy_to(&folder.path().join("charts/waflows-operator"));
    let parent = json!({
        "apiVersion": "v2", "name": "platform", "version": "1.0.0",
        "dependencies": [{"name": "waflows-operator", "version": "*", "condition": "waflows-operator.enabled"}],
    });
    std::fs::write(folder.path().join("Chart.yaml"), parent.to_string()).unwrap();
    let parent = folder.path().to_str().unwrap();
    for enabled in [true, false] {
        let values = json!({"global": {"region": "eu"}, "waflows-operator": {"enabled": enabled}});
        let printed = helm(Cluster::shared(), &["template", "platform", parent], &values);
        assert!(printed.is_success(), "{}", printed.stderr);
        assert_eq!(printed.stdout.contains("kind: Deployment"), enabled);
    }
}

#[test]
fn slips_are_refused_and_named() {
    let slips = [
        (json!({"replicas": 2}), "'replicas' not allowed"),
        (json!({"image": {"version": "1"}}), "'version' not allowed"),
        (json!({"graph": {"URL": "https://graph.facebook.com"}}), "'URL' not allowed"),
        (json!({"scopedNamespaces": "messaging"}), "got string, want array"),
        (json!({"replicaCount": "2"}), "got string, want integer"),
        (json!({"networkPolicy": {"enabled": "false"}}), "got string, want boolean"),
        (json!({"logFormat": "yaml"}), "must be one of 'json', 'text'"),
        (json!({"image": {"digest": "9f2c"}}), "does not match pattern"),
        (json!({"endpointProbes": {"allowedHosts": "flows.example.com"}}), "got string, want array"),
        (json!({"endpointProbes": {"allowedHosts": ["https://flows.example.com"]}}), "does not match pattern"),
        (json!({"endpointProbes": {"allowedHosts": ["*"]}}), "does not match pattern"),
        (json!({"endpointProbes": {"allowedHosts": ["a.test,b.test"]}}), "does not match pattern"),
        (json!({"endpointProbes": {"allowLoopback": true}}), "'allowLoopback' not allowed"),
        (json!({"httpAddress": "::1"}), "does not match pattern"),
        (json!({"httpAddress": "[::]"}), "does not match pattern"),
        (json!({"httpAddress": "0.0.0.0:65536"}), "httpAddress 0.0.0.0:65536: a port is at most 65535"),
        (json!({"defaultCheckInterval": "1 hour"}), "does not match pattern"),
        (json!({"defaultCheckInterval": "5s"}), "defaultCheckInterval 5s must be between 1m and 720h (30 days)"),
        (json!({"leaderElection": {"renewDeadline": "20s"}}), "leaderElection.renewDeadline 20s must be"),
        (json!({"leaderElection": {"leaseDuration": "0.5s"}}), "leaderElection.leaseDuration 0.5s must be"),
        (json!({"leaderElection": {"leaseNamespace": "Shop"}}), "does not match pattern"),
        (json!({"graph": {"url": "http://graph.example.com"}}), "graph.url http://graph.example.com is not https"),
        (json!({"graph": {"url": "https://graph.example.com/?a=b"}}), "does not match pattern"),
        (json!({"graph": {"url": "https://me@graph.example.com"}}), "does not match pattern"),
        (json!({"logLevel": "loud"}), "logLevel \"loud\" is no level (error, warn, info"),
        (json!({"logLevel": "info,kube"}), "logLevel \"info,kube\" is no level"),
        (json!({"selector": "a=,,"}), "selector \"a=,,\" is no label selector such as team=checkout"),
        (json!({"selector": "shard of (1)"}), "is no label selector"),
        (json!({"selector": "shard in ()"}), "is no label selector"),
        (json!({"watch": {"namespaceSelector": "a=,,"}}), "watch.namespaceSelector \"a=,,\" is no label selector"),
        (json!({"watch": {"namespaces": ["shop"], "namespaceSelector": "a"}}), "use one of them"),
        (json!({"scopedNamespaces": ["Shop"]}), "does not match pattern"),
        (json!({"leaderElection": {"leaseDuration": 15}}), "got number, want string"),
        (json!({"livenessProbe": {"httpGet": {}}}), "'httpGet' not allowed"),
        (json!({"extraArgs": ["run"]}), "does not match pattern"),
        (json!({"extraEnv": {"WAFLOWS_LOG_LEVEL": "debug"}}), "got object, want array"),
        (json!({"resources": {"limit": {}}}), "'limit' not allowed"),
        (json!({"serviceMonitor": {"labels": {}}}), "'labels' not allowed"),
        (json!({"serviceMonitor": {"interval": "1 minute"}}), "does not match pattern"),
        (json!({"serviceMonitor": {"enabled": true}, "metrics": {"enabled": false}}), "needs metrics.enabled"),
    ];
    for (values, complaint) in slips {
        let printed = template(Cluster::shared(), "flows", "messaging", &values);
        assert!(!printed.is_success(), "{values} passes");
        assert!(printed.stderr.contains(complaint), "{values}: {}", printed.stderr);
    }
}

#[test]
fn what_passes_is_taken_by_the_operator() {
    for values in [
        json!({"defaultCheckInterval": "1m"}),
        json!({"defaultCheckInterval": "720h"}),
        json!({"leaderElection": {"leaseDuration": "1h0.5m", "renewDeadline": "59m"}}),
        json!({"leaderElection": {"leaseNamespace": "leases"}}),
        json!({"logLevel": "warn,waflows_operator::graph=debug,kube=off"}),
        json!({"graph": {"url": "https://graph.example.com:8443/gateway"}}),
        json!({"graph": {"url": "http://graph.example.com"}, "extraArgs": ["--allow-http-graph-url"]}),
    ] {
        flags(&values);
    }
    for selector in ["", "a", "!a", "example.com/a=b", "a == b,c!=d", "a in (b, c),d notin (,e)", "a>1,b < 2", "a="] {
        let flags = flags(&json!({"watch": {"selector": selector, "namespaceSelector": selector}}));
        assert_eq!(flags.selector.as_deref().unwrap_or_default(), selector);
        assert_eq!(flags.namespace_selector.as_deref().unwrap_or_default(), selector);
    }
}

#[test]
fn further_arguments_go_before_the_charts_own() {
    let arguments = ["--default-check-interval=30m", "--log-level=debug", "--leader-election", "--log-level=warn"];
    let flags = flags(&json!({"extraArgs": arguments}));
    assert_eq!((flags.default_check_interval.as_secs(), flags.log_level.as_str()), (1800, "warn"));
}
