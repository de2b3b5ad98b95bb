//! Parses manifests into resources and Secrets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use base64ct::{Base64, Encoding};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::core::ObjectMeta;
use serde_json::Value;
use waflows_core::api::crd::{FlowsEncryptionKey, FlowsEncryptionKeyStatus};
use waflows_core::store::object_key::ObjectKey;
use zeroize::{Zeroize, Zeroizing};

use super::error::CheckError;
use super::report::Problem;
use super::schema;
use super::yaml::{self, Fault};

const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];
const STDIN: &str = "-";

/// The file and document of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    file: String,
    /// Number of the document in the file, from 1. Empty documents do not count.
    document: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}", self.file, self.document)
    }
}

/// The content of manifest files.
#[derive(Default)]
pub(super) struct Manifests {
    pub(super) resources: Vec<(String, FlowsEncryptionKey)>,
    pub(super) secrets: HashMap<ObjectKey, SecretManifest>,
    pub(super) problems: Vec<Problem>,
}

/// A Secret as written in a manifest. Decoded only if a resource refers to it. Zeroized on drop.
pub(super) struct SecretManifest {
    origin: Origin,
    value: Value,
    /// The origin of a second manifest of the same Secret, which is an error.
    twin: Option<Origin>,
}

impl Drop for SecretManifest {
    fn drop(&mut self) {
        erase(&mut self.value);
    }
}

fn erase(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(erase),
        Value::Object(fields) => fields.values_mut().for_each(erase),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Manifests {
    /// Reads files and folders. Objects without a namespace are in `namespace`.
    ///
    /// # Errors
    /// If a file cannot be read. Invalid content is not an error but a problem in the report.
    pub(super) fn read(paths: &[PathBuf], namespace: &str) -> Result<Self, CheckError> {
        if paths.iter().filter(|path| path.as_os_str() == STDIN).count() > 1 {
            return Err(CheckError::StdinTwice);
        }
        let mut manifests = Self::default();
        for path in paths {
            for file in files(path)? {
                let text = read(&file)?;
                let name = if file.as_os_str() == STDIN { "standard input".into() } else { file.display().to_string() };
                manifests.add_file(&name, &text, namespace);
            }
        }
        Ok(manifests)
    }

    /// Adds the text of a file.
    pub(super) fn add_file(&mut self, file: &str, text: &str, namespace: &str) {
        match yaml::documents(text) {
            Ok(documents) => {
                for (position, document) in documents.into_iter().enumerate() {
                    let origin = Origin { file: file.to_owned(), document: position + 1 };
                    self.add_object(&origin, document, namespace);
                }
            }
            Err(Fault { place, message }) => {
                let place = place.map(|(line, column)| format!(", line {line}, column {column}")).unwrap_or_default();
                self.problems.push(Problem::of_file(format!("{file}{place}"), "", &message));
            }
        }
    }

    fn add_object(&mut self, origin: &Origin, mut object: Value, namespace: &str) {
        let field = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (field("apiVersion"), field("kind"));
        if kind.ends_with("List") && object["items"].is_array() {
            let Value::Array(items) = object["items"].take() else { return };
            return items.into_iter().for_each(|item| self.add_object(origin, item, namespace));
        }
        if version == "v1" && kind == "Secret" {
            self.add_secret(origin, object, namespace);
        } else if version.starts_with("waflows.dev/") {
            self.add_resource(origin, object, namespace);
        }
    }

    fn add_secret(&mut self, origin: &Origin, value: Value, namespace: &str) {
        let manifest = SecretManifest { origin: origin.clone(), value, twin: None };
        match self.secrets.entry(key_of(&manifest.value, namespace)) {
            Entry::Occupied(mut known) => known.get_mut().twin = Some(manifest.origin.clone()),
            Entry::Vacant(place) => drop(place.insert(manifest)),
        }
    }

    fn add_resource(&mut self, origin: &Origin, object: Value, namespace: &str) {
        let key = key_of(&object, namespace);
        let problem = |path: &str, message: String| Problem::of_resource(&key, origin.to_string(), path, message);
        let violations = schema::validate(&object);
        if !violations.is_empty() {
            return self.problems.extend(violations.into_iter().map(|found| problem(&found.path, found.message)));
        }
        match serde_json::from_value::<FlowsEncryptionKey>(schema::without_nulls(object)) {
            Ok(_) if self.resources.iter().any(|(_, known)| ObjectKey::of(&known.metadata) == key) => {
                self.problems.push(problem("metadata.name", "is given twice; keep one of the two".to_owned()));
            }
            Ok(resource) => self.resources.push((origin.to_string(), admitted(resource, namespace))),
            Err(error) => self.problems.push(problem("", error.to_string())),
        }
    }
}

/// The resource as the API server admits it from a manifest: with a namespace and without status.
fn admitted(mut resource: FlowsEncryptionKey, namespace: &str) -> FlowsEncryptionKey {
    let own = resource.metadata.namespace.take().filter(|name| !name.is_empty());
    resource.metadata.namespace = Some(own.unwrap_or_else(|| namespace.to_owned()));
    resource.metadata.generation = Some(1);
    resource.metadata.resource_version = None;
    resource.status =
        Some(FlowsEncryptionKeyStatus { observed_generation: Some(-1), ..FlowsEncryptionKeyStatus::default() });
    resource
}

fn key_of(object: &Value, namespace: &str) -> ObjectKey {
    let field = |name: &str| object["metadata"][name].as_str().filter(|text| !text.is_empty());
    ObjectKey::new(field("namespace").unwrap_or(namespace), field("name").unwrap_or_default())
}

impl SecretManifest {
    /// Decodes the Secret. The error says why the API server would refuse the Secret, and never shows a value.
    pub(super) fn open(&self) -> Result<Secret, Problem> {
        if let Some(twin) = &self.twin {
            return Err(self.problem("metadata.name", &format!("is given again in {twin}; keep one of the two")));
        }
        let mut data = std::collections::BTreeMap::new();
        for (key, value) in self.fields("data")? {
            // The API server uses Go's decoder, which ignores line breaks.
            let text: Zeroizing<String> = Zeroizing::new(value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
            let bytes = Base64::decode_vec(&text).map_err(|_| {
                let remedy = "under stringData a value stands as it is; a file of SOPS must be decrypted first";
                self.problem(&format!("data.{key}"), &format!("is not base64 ({remedy})"))
            })?;
            data.insert(key.clone(), ByteString(bytes));
        }
        for (key, value) in self.fields("stringData")? {
            data.insert(key.clone(), ByteString(value.as_bytes().to_vec()));
        }
        Ok(Secret { data: Some(data), metadata: ObjectMeta::default(), ..Secret::default() })
    }

    fn fields(&self, name: &str) -> Result<Vec<(&String, &str)>, Problem> {
        let fields = match &self.value[name] {
            Value::Null => return Ok(Vec::new()),
            Value::Object(fields) => fields,
            _ => return Err(self.problem(name, "must be a mapping of keys to values")),
        };
        let text = |(key, value)| match value {
            &Value::Null => Ok((key, "")),
            Value::String(text) => Ok((key, text.as_str())),
            _ => Err(self.problem(&format!("{name}.{key}"), "must be of type string: put it in quotes")),
        };
        fields.iter().map(text).collect()
    }

    fn problem(&self, path: &str, message: &str) -> Problem {
        let name = self.value["metadata"]["name"].as_str().unwrap_or_default();
        Problem::of_file(format!("{}, Secret {name}", self.origin), path, message)
    }
}

/// The file itself, or the manifests in a folder, ordered by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, CheckError> {
    if path.as_os_str() == STDIN || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |source| CheckError::Read { path: path.to_owned(), source };
    let entries = fs::read_dir(path).map_err(unreadable)?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(unreadable)?.path();
        let is_manifest = file.extension().and_then(|e| e.to_str()).is_some_and(|e| EXTENSIONS.contains(&e));
        if is_manifest && file.is_file() {
            files.push(file);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read(path: &Path) -> Result<Zeroizing<String>, CheckError> {
    let text = if path.as_os_str() == STDIN {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    text.map(Zeroizing::new).map_err(|source| match source.kind() {
        ErrorKind::InvalidData => CheckError::NoText(path.to_owned()),
        _ => CheckError::Read { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(text: &str) -> Manifests {
        let mut manifests = Manifests::default();
        manifests.add_file("file.yaml", text, "messaging");
        manifests
    }

    const RESOURCE: &str = "
apiVersion: waflows.dev/v1alpha1
kind: FlowsEncryptionKey
metadata: {name: storefront}
spec:
  privateKeySecretRef: {name: flows-key, key: private.pem}
  accessTokenSecretRef: {name: meta-token, key: token}
  phoneNumberIds: [\"1\"]
status: {observedGeneration: 7}
";

    #[test]
    fn resources_and_secrets_are_found_and_the_rest_is_passed_over() {
        let text = format!(
            "# only a comment\n---\n{RESOURCE}---\napiVersion: v1\nkind: ConfigMap\n---\njust: values\n---\napiVersion: v1\nkind: \
             List\nitems:\n- {{apiVersion: v1, kind: Secret, metadata: {{name: flows-key, namespace: other}}}}\n"
        );
        let found = manifests(&text);
        assert_eq!(found.problems, []);
        let (origin, resource) = &found.resources[0];
        assert_eq!(origin, "file.yaml, document 1");
        assert_eq!(ObjectKey::of(&resource.metadata), ObjectKey::new("messaging", "storefront"));
        assert_eq!(resource.status.as_ref().unwrap().observed_generation, Some(-1));
        assert!(found.secrets.contains_key(&ObjectKey::new("other", "flows-key")));
    }

    #[test]
    fn data_and_string_data_are_read_and_the_latter_counts() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: \"YQ==\", b: |\n    Ym\n    I=\n  }\n"
            .replace("b: |\n    Ym\n    I=\n  ", "b: \"Ym\\nI=\"");
        let found = manifests(&(text + "stringData: {a: c, d: }\n"));
        let data = found.secrets[&ObjectKey::new("messaging", "s")].open().unwrap().data.unwrap();
        let texts: Vec<_> = data.iter().map(|(key, value)| (key.as_str(), value.0.as_slice())).collect();
        assert_eq!(texts, [("a", b"c".as_slice()), ("b", b"bb"), ("d", b"")]);
    }

    #[test]
    fn faults_are_told_without_the_value() {
        let secret = |field: &str| {
            let found = manifests(&format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\n{field}\n"));
            found.secrets[&ObjectKey::new("messaging", "s")].open().unwrap_err()
        };
        let encoded = secret("data: {k: \"geheim!\"}");
        assert_eq!((encoded.origin.as_str(), encoded.path.as_str()), ("file.yaml, document 1, Secret s", "data.k"));
        assert!(!format!("{encoded:?}").contains("geheim"), "{encoded:?}");
        assert!(secret("stringData: {k: 815}").message.ends_with("put it in quotes"));
        let broken = manifests("stringData: {key: \"hush hush\n");
        assert!(!format!("{:?}", broken.problems).contains("hush"), "{:?}", broken.problems);
        assert!(broken.problems[0].origin.starts_with("file.yaml, line "), "{:?}", broken.problems);
    }

    #[test]
    fn a_resource_may_be_given_once() {
        let found = manifests(&format!("{RESOURCE}---{RESOURCE}"));
        assert_eq!((found.resources.len(), found.problems.len()), (1, 1));
        assert_eq!(found.problems[0].origin, "file.yaml, document 2");
    }
}
