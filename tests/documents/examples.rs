//! `examples/`, and the manifests of `docs/gitops.md`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use control_plane::ControlPlane;
use harness::cluster::{DEFINITION, empty_control_plane};
use harness::process::output;
use waflows_operator::metrics::catalog;

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The folder with the modules of most definitions, and that of the definition for alerts.
const FOLDERS: [&str; 2] = ["tests/documents/definitions", "tests/chart/tools/prometheus-operator"];
/// Modules that hold definitions, and where in them.
const DEFINITIONS: [(&str, &str); 7] = [
    (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ),
    ("github.com/cert-manager/cert-manager", "deploy/crds/cert-manager.io_certificates.yaml"),
    ("github.com/cert-manager/cert-manager", "deploy/crds/cert-manager.io_issuers.yaml"),
    ("github.com/external-secrets/external-secrets", "config/crds/bases/external-secrets.io_externalsecrets.yaml"),
    ("github.com/fluxcd/helm-controller", "config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml"),
    ("github.com/fluxcd/kustomize-controller", "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"),
    ("github.com/fluxcd/source-controller", "config/crd/bases/source.toolkit.fluxcd.io_ocirepositories.yaml"),
];

#[test]
fn every_example_is_accepted_and_applied_again_changes_nothing() {
    let examples = examples();
    assert!(examples.len() > 5, "{examples:?}");
    for example in examples {
        let namespace = example.file_stem().unwrap().to_str().unwrap();
        apply(namespace, &std::fs::read_to_string(&example).unwrap());
    }
}

#[test]
fn all_examples_together_are_accepted_and_share_nothing() {
    let folder = Path::new(ROOT).join("examples");
    output(control_plane().kubectl().args(["create", "namespace", "all-examples"]), "");
    output(control_plane().kubectl().args(["-n", "all-examples", "apply", "-f"]).arg(&folder), "");
    let listed = output(control_plane().kubectl().args(["-n", "all-examples", "get", "fek", "-o", "json"]), "");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let specs: Vec<_> = listed["items"].as_array().unwrap().iter().map(|resource| &resource["spec"]).collect();
    let resources = examples().iter().filter(|file| !file.ends_with("alerts.yaml")).count();
    assert_eq!(specs.len(), resources, "each has a name of its own");

    // A resource may take several entries of one Secret.
    let claims = specs.iter().flat_map(|spec| {
        let fields = spec.as_object().unwrap();
        let secrets = fields.iter().filter(|(field, _)| field.ends_with("Ref"));
        let secrets = secrets.map(|(_, secret)| secret["name"].to_string()).collect::<BTreeSet<_>>();
        let numbers = spec["phoneNumberIds"].as_array().into_iter().flatten().map(ToString::to_string);
        secrets.into_iter().chain(numbers)
    });
    let claims: Vec<_> = claims.collect();
    assert_eq!(claims.iter().collect::<BTreeSet<_>>().len(), claims.len(), "{claims:?}");

    let mut check = Command::new(env!("CARGO_BIN_EXE_waflows-operator"));
    output(check.args(["check", "--offline", "--allow-missing-secrets", "-f"]).arg(&folder), "");
}

#[test]
fn the_deployment_of_the_endpoint_is_what_the_example_asks() {
    let read = |file: &str| std::fs::read_to_string(Path::new(ROOT).join("examples").join(file)).unwrap();
    apply("endpoint-deployment", &read("endpoint/deployment.yaml"));
    let get = |kind, name: &str| -> serde_json::Value {
        let get = ["-n", "endpoint-deployment", "get", kind, name, "-o", "json"];
        serde_json::from_str(&output(control_plane().kubectl().args(get), "")).unwrap()
    };
    let example: serde_json::Value = serde_saphyr::from_str(&read("endpoint.yaml")).unwrap();
    let asked = &example["spec"]["endpoint"];
    let service = get("service", asked["service"]["name"].as_str().unwrap());
    assert_eq!(service["spec"]["ports"].as_array().map(Vec::len), Some(1), "the example names no port");

    let pod = &get("deployment", "flow-endpoint")["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"], service["spec"]["selector"]);
    let container = &pod["spec"]["containers"][0];
    let code = read("endpoint/node/endpoint.mjs");
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        assert!(code.contains(name), "the endpoint reads no {name}");
    }
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let app_secret = &asked["appSecretRef"]["name"];
    assert!(volumes.iter().any(|volume| volume["secret"]["secretName"] == *app_secret), "{volumes:?}");
    let file = format!("/app/{}", asked["appSecretRef"]["key"].as_str().unwrap());
    assert!(container["env"].to_string().contains(&file), "{container}");
}

#[test]
fn the_chart_of_many_businesses_makes_a_resource_for_each() {
    let chart = Path::new(ROOT).join("examples/many-businesses");
    let rendered = output(control_plane().helm().unwrap().arg("template").arg("businesses").arg(chart), "");
    apply("many-businesses", &rendered);
    let names = output(control_plane().kubectl().args(["-n", "many-businesses", "get", "fek", "-o", "name"]), "");
    assert_eq!(names.lines().count(), 2, "{names}");
}

#[test]
fn the_chart_of_many_businesses_takes_ids_in_quotes_only() {
    let chart = Path::new(ROOT).join("examples/many-businesses");
    let mut helm = control_plane().helm().unwrap();
    helm.args(["template", "businesses"])
        .arg(chart)
        .args(["--set-json", r#"businesses.acme.phoneNumberIds=[106540352242922]"#]);
    let printed = helm.output().unwrap();
    let error = String::from_utf8_lossy(&printed.stderr);
    assert!(
        !printed.status.success() && error.contains("businesses.acme.phoneNumberIds: put every ID in quotes"),
        "{error}"
    );
}

#[test]
fn the_alerts_are_rules_on_metrics_that_there_are() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("examples/alerts.yaml")).unwrap();
    let spec: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let rules = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(rules.path(), spec["spec"].to_string()).unwrap();
    let promtool = Path::new(ROOT).join("tests/chart/tools/run");
    output(
        Command::new(promtool).args(["promtool", "check", "rules", "--lint=all", "--lint-fatal"]).arg(rules.path()),
        "",
    );
    let known: Vec<_> = catalog::ALL.iter().map(|metric| metric.full_name()).collect();
    let is_word = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    for word in text.split(|letter| !is_word(letter)).filter(|word| word.starts_with("waflows_")) {
        assert!(known.iter().any(|name| name == word), "there is no metric {word}");
    }
}

#[test]
fn every_example_is_listed() {
    let list = std::fs::read_to_string(Path::new(ROOT).join("examples/README.md")).unwrap();
    for example in std::fs::read_dir(Path::new(ROOT).join("examples")).unwrap() {
        let name = example.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || list.contains(&format!("[{name}]({name}")), "{name} is missing");
    }
}

#[test]
fn flux_takes_the_manifests_that_are_made_for_it() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/gitops.md")).unwrap();
    // Argo CD's definitions come only with all of Argo CD, which is too much for a test.
    let blocks = page.split("```").filter_map(|block| block.strip_prefix("yaml\n"));
    let manifests: Vec<_> = blocks.filter(|manifests| manifests.contains("toolkit.fluxcd.io")).collect();
    assert_eq!(manifests.len(), 2);
    output(control_plane().kubectl().args(["create", "namespace", "flux-system"]), "");
    for manifest in manifests {
        let apply = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        output(control_plane().kubectl().args(apply), manifest);
    }
}

/// The manifests.
fn examples() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("examples")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files
}

/// Applies manifests in a new namespace, both ways, and sees that there is then nothing left to change.
fn apply(namespace: &str, manifests: &str) {
    let kubectl = |arguments: &[&str], input: &str| {
        let mut command = control_plane().kubectl();
        output(command.args(["-n", namespace]).args(arguments), input)
    };
    kubectl(&["create", "namespace", namespace], "");
    kubectl(&["apply", "-f", "-"], manifests);
    kubectl(&["apply", "--server-side", "--force-conflicts", "-f", "-"], manifests);
    kubectl(&["diff", "--server-side", "-f", "-"], manifests);
}

pub(crate) fn control_plane() -> &'static ControlPlane {
    static CONTROL_PLANE: OnceLock<ControlPlane> = OnceLock::new();
    CONTROL_PLANE.get_or_init(|| {
        let control_plane = empty_control_plane();
        for file in
            DEFINITIONS.map(|(module, file)| module_dir(module).join(file)).into_iter().chain([DEFINITION.into()])
        {
            output(control_plane.kubectl().args(["apply", "--server-side", "-f"]).arg(file), "");
        }
        output(
            control_plane.kubectl().args(["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]),
            "",
        );
        control_plane
    })
}

/// Where Go keeps the module, which it downloads where it is not there yet.
fn module_dir(module: &str) -> PathBuf {
    let folder = FOLDERS[usize::from(module.contains("prometheus-operator"))];
    let go = |arguments: &[&str]| {
        let mut command = Command::new("go");
        command.current_dir(Path::new(ROOT).join(folder));
        command.env("GOWORK", "off").env("GOFLAGS", "-mod=readonly");
        output(command.args(arguments), "")
    };
    go(&["mod", "download", module]);
    go(&["list", "-m", "-f", "{{.Dir}}", module]).trim().into()
}
