//! Files that are no YAML, or hold nothing useful.

use super::Scene;
use super::page::Row;

/// A good resource, which each input changes in one place.
const GOOD: &str = "\
apiVersion: waflows.dev/v1alpha1
kind: FlowsEncryptionKey
metadata: {name: storefront, namespace: messaging}
spec:
  privateKeySecretRef: {name: flows-key, key: private.pem}
  accessTokenSecretRef: {name: meta-token, key: token}
  phoneNumberIds: [\"106540352242922\"]
  mode: Enforce
";

pub(super) async fn rows() -> Vec<Row> {
    let scene = Scene::with_secrets().await;
    let changed = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        GOOD.replace(from, to).into_bytes()
    };
    let utf16 = GOOD.encode_utf16().flat_map(u16::to_le_bytes);
    [
        ("a tab before a field", changed("  mode", "\tmode")),
        ("blanks and a tab before a field", changed("  mode", "  \tmode")),
        ("a field twice", changed("  mode: Enforce", "  mode: Enforce\n  suspend: true\n  mode: Observe")),
        ("a list twice", changed("  mode: Enforce", "  phoneNumberIds: [\"107995438950512\"]")),
        ("a field too far to the left", changed("  mode", " mode")),
        ("a field too far to the right", changed("  mode", "    mode")),
        ("no blank behind the colon", changed("mode: Enforce", "mode:Enforce")),
        ("a quote that is not closed", changed("106540352242922\"", "106540352242922")),
        ("a bracket that is not closed", changed("922\"]", "922\"")),
        ("a value that begins with *", changed("Enforce", "*Enforce")),
        ("a value that begins with @", changed("Enforce", "@Enforce")),
        ("a colon in a value without quotes", changed("Enforce", "Enforce: now")),
        ("a template of Helm", changed("Enforce", "{{ .Values.mode }}")),
        ("UTF-16, as PowerShell writes it", [0xFF, 0xFE].into_iter().chain(utf16).collect()),
        ("prose", b"Please put the key on our numbers.\n".to_vec()),
        ("an empty file", Vec::new()),
        ("another kind only", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: storefront}\n".to_vec()),
        ("the same resource twice", [GOOD, GOOD].join("---\n").into_bytes()),
    ]
    .into_iter()
    .map(|(input, text)| {
        std::fs::write(scene.path("storefront.yaml"), text).unwrap();
        scene.judge(input, &["storefront.yaml", "secrets.yaml"], &["--offline"])
    })
    .chain([scene.judge("a file that is not there", &["other.yaml"], &["--offline"])])
    .collect()
}
