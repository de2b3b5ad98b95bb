//! The definition that is installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube_core::CustomResourceExt;

use super::limits::MAX_CONDITION_MESSAGE;
use super::spec::FlowsEncryptionKey;

/// The definition to install, as in `crds/`.
///
/// Differs from the derived definition in four points. Optional fields are not nullable, so that an explicit `null`
/// means "absent", as in Kubernetes' own types. Descriptions have no line breaks of the source, which `kubectl explain`
/// would show. `status` has a default: some tools compare `observedGeneration` with `generation`, and must not treat a
/// resource without status as finished. Conditions have the length limits of Kubernetes' own conditions, which the Rust
/// type of a condition lacks.
pub fn definition() -> CustomResourceDefinition {
    let mut definition = FlowsEncryptionKey::crd();
    for version in &mut definition.spec.versions {
        let Some(schema) = version.schema.as_mut().and_then(|v| v.open_api_v3_schema.as_mut()) else {
            continue;
        };
        for_each_schema(schema, &mut |schema| {
            schema.nullable = None;
            schema.description = schema.description.as_deref().map(unwrapped);
        });
        if let Some(status) = schema.properties.as_mut().and_then(|p| p.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
            bound_conditions(status);
        }
    }
    definition
}

fn for_each_schema(schema: &mut JSONSchemaProps, change: &mut impl FnMut(&mut JSONSchemaProps)) {
    change(schema);
    for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        for_each_schema(property, change);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => for_each_schema(items, change),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => {
            items.iter_mut().for_each(|item| for_each_schema(item, change));
        }
        None => {}
    }
}

/// Joins the lines of each paragraph into one line.
fn unwrapped(text: &str) -> String {
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

fn bound_conditions(status: &mut JSONSchemaProps) {
    let conditions = status.properties.as_mut().and_then(|p| p.get_mut("conditions"));
    let Some(JSONSchemaPropsOrArray::Schema(condition)) = conditions.and_then(|c| c.items.as_mut()) else {
        return;
    };
    for (name, property) in condition.properties.iter_mut().flatten() {
        match name.as_str() {
            "type" => property.max_length = Some(316),
            "status" => property.enum_ = Some(["True", "False", "Unknown"].map(|s| JSON(s.into())).to_vec()),
            "reason" => (property.min_length, property.max_length) = (Some(1), Some(1024)),
            "message" => property.max_length = i64::try_from(MAX_CONDITION_MESSAGE).ok(),
            _ => {}
        }
    }
}

/// The definition as YAML.
///
/// # Errors
/// Never in practice: the definition contains only plain strings, numbers and lists.
pub fn manifest() -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(&definition())
}

#[cfg(test)]
mod tests {
    use super::super::limits::{MAX_META_ID, MAX_PHONE_NUMBERS};
    use super::super::spec::FlowsEncryptionKeySpec;
    use super::*;

    #[test]
    fn numbers_that_the_schema_refuses_are_at_fault_and_no_others() {
        let version = definition().spec.versions.remove(0);
        let schema = serde_json::to_value(version.schema.unwrap().open_api_v3_schema).unwrap();
        let numbers = &schema["properties"]["spec"]["properties"]["phoneNumberIds"];
        let bounds = [&numbers["minItems"], &numbers["maxItems"], &numbers["items"]["maxLength"]];
        assert_eq!(bounds.map(|bound| bound.as_u64().unwrap() as usize), [1, MAX_PHONE_NUMBERS, MAX_META_ID]);

        let fault = |ids: Vec<String>| {
            let token = serde_json::json!({"name": "meta-token", "key": "token"});
            let spec = serde_json::json!({"accessTokenSecretRef": token, "phoneNumberIds": ids});
            serde_json::from_value::<FlowsEncryptionKeySpec>(spec).unwrap().fault()
        };
        let distinct = |count| (0..count).map(|n| format!("{n:0MAX_META_ID$}")).collect::<Vec<_>>();
        assert_eq!(fault(distinct(MAX_PHONE_NUMBERS)), None);
        assert!(fault(Vec::new()).unwrap().contains("0 items"));
        assert!(fault(distinct(MAX_PHONE_NUMBERS + 1)).unwrap().contains("501 items"));
        assert_eq!(numbers["x-kubernetes-list-type"], "set");
        assert!(fault(["2", "1", "2"].map(String::from).into()).unwrap().contains("has 2 more than once"));
        for wrong in ["1".repeat(MAX_META_ID + 1), String::new(), "1a".into(), "+1".into(), "1/2".into()] {
            assert!(fault(vec!["1".into(), wrong.clone()]).unwrap().contains("phoneNumberIds[1]"), "{wrong}");
        }
    }

    #[test]
    fn an_operator_of_the_version_before_cannot_read_a_resource_without_phone_number_ids() {
        /// What that version requires of a spec. It leaves a resource alone that it cannot read, and logs the error.
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct SpecBefore {
            #[expect(dead_code, reason = "only read")]
            access_token_secret_ref: serde_json::Value,
            #[expect(dead_code, reason = "only read")]
            phone_number_ids: Vec<String>,
        }
        let accounts = serde_json::json!([{"id": "102290129340398"}]);
        let token = serde_json::json!({"name": "meta-token", "key": "token"});
        let spec = serde_json::json!({"accessTokenSecretRef": token, "businessAccounts": accounts});
        let now: FlowsEncryptionKeySpec = serde_json::from_value(spec.clone()).unwrap();
        assert_eq!((now.business_accounts.len(), now.fault()), (1, None));
        let before = serde_json::from_value::<SpecBefore>(spec).unwrap_err();
        assert_eq!(before.to_string(), "missing field `phoneNumberIds`");
        // What it wrote itself, it reads again.
        let listed = serde_json::json!({"accessTokenSecretRef": {"name": "a", "key": "b"}, "phoneNumberIds": ["1"]});
        let spec: FlowsEncryptionKeySpec = serde_json::from_value(listed).unwrap();
        let written = serde_json::to_value(spec).unwrap();
        assert!(written.get("businessAccounts").is_none() && written.get("appId").is_none(), "{written}");
        serde_json::from_value::<SpecBefore>(written).unwrap();
    }

    #[test]
    fn a_field_is_explained_in_whole_lines_and_the_spec_by_itself() {
        let version = definition().spec.versions.remove(0);
        let mut schema = version.schema.unwrap().open_api_v3_schema.unwrap();
        let mut explained = Vec::new();
        for_each_schema(&mut schema, &mut |schema| explained.extend(schema.description.clone()));
        assert!(explained.len() > 50, "{explained:?}");
        assert!(explained.iter().all(|text| !text.replace("\n\n", "").contains('\n')), "{explained:?}");

        let spec = schema.properties.as_ref().unwrap()["spec"].description.clone();
        assert!(spec.is_some() && spec != schema.description, "{spec:?}");
        assert_eq!(unwrapped("one\ntwo\n\nthree"), "one two\n\nthree");
    }
}
