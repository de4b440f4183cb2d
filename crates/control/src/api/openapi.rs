//! OpenAPI document of the API, made of the rows that the router is made of.

use axum::http::Method;
use model::Kind;
use model::kind::Scope;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::caller::Role;
use super::collection::Collection;
use super::operation::{Body, Operation, ParameterType, Query, Schema};

/// Builds the document. It is equal on every machine: it depends on nothing but the program.
pub fn document() -> Value {
    let mut paths: std::collections::BTreeMap<&str, Map<String, Value>> = std::collections::BTreeMap::new();
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator =
        settings.with(|it| it.definitions_path = "/components/schemas".into()).into_generator();
    for operation in super::operations() {
        let methods = paths.entry(operation.path).or_default();
        methods.insert(operation.method.as_str().to_ascii_lowercase(), described(&operation, &mut generator));
    }
    let mut schemas = named();
    schemas.extend(generator.take_definitions(true));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "meshtcp control plane",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Resources of a mesh, and what proxies make of them. Compatible with the API of Kuma; paths that \
                            begin with an underscore after the resource are questions about what runs.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            "schemas": schemas,
        },
    })
}

fn described(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let Operation { method, path, needs, open, summary, query, body, good, bad, of_many: _, run: _ } =
        operation;
    let mut parameters: Vec<Value> = path
        .split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next())
        .map(|name| path_parameter(name, path))
        .collect();
    parameters.extend(query.iter().map(|it| query_parameter(it)));
    let mut answers: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
    for (status, body) in good {
        let content = match body {
            Body::Json(Schema::Named(name)) => json!({ "application/json": { "schema": reference(name) } }),
            Body::Json(Schema::Of(schema)) => json!({ "application/json": { "schema": schema(generator) } }),
            Body::Events => json!({ "text/event-stream": { "schema": { "type": "string" } } }),
            Body::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        };
        answers.insert(status.to_string(), json!({ "description": good_words(*status), "content": content }));
    }
    for status in bad {
        let mut content = json!({ "application/json": { "schema": reference("Error") } });
        if *status == 404 {
            content["text/plain"] = json!({ "schema": { "type": "string" } });
        }
        answers.insert(status.to_string(), json!({ "description": bad_words(*status), "content": content }));
    }
    let mut shown = json!({
        "summary": summary,
        "operationId": id(method, path),
        "parameters": parameters,
        "responses": answers,
    });
    if let Some(schema) = body {
        let mut content = json!({ "schema": reference(schema) });
        if let Some(example) = example(schema, path) {
            content["example"] = example;
        }
        shown["requestBody"] = json!({ "required": true, "content": { "application/json": content } });
    }
    if !open {
        shown["security"] = json!([{ "token": [] }, {}]);
        let role = match needs {
            Role::Nobody => "Anybody",
            Role::Reader => "Readers, writers and admins",
            Role::Writer => "Writers and admins",
            Role::Admin => "Admins",
        };
        shown["description"] = json!(format!("{role} may."));
    }
    shown
}

/// Operation id of a path: `get_meshes_mesh_plural_name`.
fn id(method: &Method, path: &str) -> String {
    let mut id = method.as_str().to_ascii_lowercase();
    for part in path
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-' && c != '+')
        .filter(|it| !it.is_empty())
    {
        id.push('_');
        id.push_str(&part.replace(['-', '+'], "_"));
    }
    // two spellings of one path differ only in a character that is invalid in an id
    if path.contains("/-") { format!("{id}_hyphen") } else { id }
}

fn path_parameter(name: &str, path: &str) -> Value {
    let (about, schema) = match name {
        "plural" => {
            let in_mesh = path.starts_with("/meshes/");
            let paths: Vec<&str> = Collection::all()
                .into_iter()
                .filter(|it| !in_mesh || it.scope() == Scope::Mesh)
                .map(Collection::path)
                .collect();
            ("The plural of a kind of resource", json!({ "type": "string", "enum": paths }))
        }
        "mesh" => ("The name of a mesh", json!({ "type": "string", "minLength": 1 })),
        "kri" | "route" => (
            "An identifier: kri_<short>_<mesh>_<zone>_<namespace>_<name>_<section>",
            json!({ "type": "string", "minLength": 1 }),
        ),
        "revision" => ("The number of a revision", json!({ "type": "integer", "minimum": 0 })),
        _ => ("The name of a resource", json!({ "type": "string", "minLength": 1 })),
    };
    let mut shown =
        json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema });
    let example = match name {
        "plural" if path.starts_with("/meshes/") => Some("meshtcproutes"),
        "plural" => Some("meshes"),
        "mesh" => Some("default"),
        "name" if path == "/{plural}/{name}" => Some("default"),
        "name" if path.contains("dataplanes") => Some("web-1"),
        "name" => Some("canary"),
        "kri" if path.starts_with("/_kri") => Some("kri_mtcpr_default___canary_"),
        "kri" if path.contains("_inbounds") => Some("kri_dp_default___web-1_8080"),
        "kri" => Some("kri_msvc_default___backend_80"),
        "route" => Some("kri_mtcpr_default___canary_"),
        _ => None,
    };
    if let Some(example) = example {
        shown["example"] = json!(example);
    }
    shown
}

fn query_parameter(Query { name, about, sort }: &Query) -> Value {
    let schema = match sort {
        ParameterType::Text => json!({ "type": "string" }),
        ParameterType::Flag => json!({ "type": "boolean" }),
        ParameterType::Number { least, most: Some(most) } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        ParameterType::Number { least, most: None } => json!({ "type": "integer", "minimum": least }),
        ParameterType::OneOf(words) => json!({ "type": "string", "enum": words }),
    };
    json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn good_words(status: u16) -> &'static str {
    match status {
        201 => "Created",
        _ => "Done",
    }
}

fn bad_words(status: u16) -> &'static str {
    match status {
        400 => "It is not understood, or not valid",
        401 => "The token is not valid",
        403 => "The caller may not do this",
        404 => "It is not there",
        405 => "It can only be read",
        408 => "The body took too long",
        409 => "Something else is there than was expected",
        413 => "The body is too large",
        415 => "The body is of a type that is not understood",
        503 => "The store cannot be used now",
        _ => "It failed",
    }
}

/// Returns an example body that is accepted if a mesh `default` exists.
fn example(schema: &str, path: &str) -> Option<Value> {
    Some(match (schema, path) {
        ("Resource", "/{plural}/{name}") => json!({ "type": "Mesh", "name": "default" }),
        ("Line", _) => json!({
            "line": "id=7 proxy=default/web-1 listener=outbound:127.0.0.1:7379 draw=8000000000000000 ended=client-closed",
        }),
        ("Resource" | "Proposal", _) => json!({
            "type": "MeshTCPRoute",
            "mesh": "default",
            "name": "canary",
            "spec": {
                "targetRef": { "kind": "Mesh" },
                "to": [{
                    "targetRef": { "kind": "MeshService", "name": "backend" },
                    "rules": [{ "default": { "backendRefs": [
                        { "kind": "MeshService", "name": "backend-v1", "port": 80, "weight": 90 },
                        { "kind": "MeshService", "name": "backend-v2", "port": 80, "weight": 10 },
                    ] } }],
                }],
            },
        }),
        ("DataplaneTokenRequest", _) => json!({ "mesh": "default", "name": "web-1", "validFor": "24h" }),
        ("ZoneTokenRequest", _) => json!({ "zone": "east", "scope": ["ingress"], "validFor": "24h" }),
        ("UserTokenRequest", _) => {
            json!({ "name": "jo", "groups": ["mesh-system:writer"], "validFor": "24h" })
        }
        _ => return None,
    })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

/// Returns the schemas of request bodies, and of answers in the shape of Kuma's API, which have no type of ours.
fn named() -> Map<String, Value> {
    let text = || json!({ "type": "string" });
    let texts = || json!({ "type": "array", "items": { "type": "string" } });
    let objects = || json!({ "type": "array", "items": { "type": "object" } });
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let lists = |extra: &str| object(&[extra], json!({ extra: objects() }));
    let schemas = json!({
        "Object": { "type": "object" },
        "Resource": {
            "type": "object",
            "required": ["type", "name"],
            "properties": {
                "type": { "type": "string", "examples": kinds },
                "mesh": text(),
                "name": text(),
                "labels": { "type": "object", "additionalProperties": { "type": "string" } },
                "creationTime": text(),
                "modificationTime": text(),
                "kri": text(),
                "spec": { "type": "object" },
            },
        },
        "Shown": {
            "description": "A resource in the Universal format, or a Kubernetes manifest",
            "anyOf": [reference("Resource"), object(&["apiVersion", "kind", "metadata"], json!({
                "apiVersion": text(), "kind": text(), "metadata": { "type": "object" },
            }))],
        },
        "Proposal": {
            "description": "A resource, or a list of them as lists are answered; as YAML also several documents",
            "anyOf": [reference("Resource"), object(&["total", "items"], json!({
                "total": { "type": "integer", "minimum": 0 },
                "items": { "type": "array", "minItems": 1, "items": reference("Resource") },
            }))],
        },
        "Line": object(&["line"], json!({ "line": text() })),
        "ResourceList": {
            "type": "object",
            "required": ["total", "items", "next"],
            "properties": {
                "total": { "type": "integer", "minimum": 0 },
                "items": objects(),
                "next": { "type": ["string", "null"] },
            },
        },
        "ItemList": object(&["total", "items"], json!({ "total": { "type": "integer", "minimum": 0 }, "items": objects() })),
        "Warnings": object(&[], json!({ "warnings": texts() })),
        "Error": object(&["type", "status", "title", "detail", "details"], json!({
            "type": text(),
            "status": { "type": "integer" },
            "title": { "type": "string", "minLength": 1 },
            "detail": text(),
            "details": text(),
            "invalid_parameters": { "type": "array", "items": object(&["field", "reason"], json!({ "field": text(), "reason": text() })) },
            "more_invalid_parameters": { "type": "integer", "minimum": 1 },
            "causes": { "type": "array", "items": object(&["field", "message"], json!({ "field": text(), "message": text() })) },
        })),
        "ResourceTypes": lists("resources"),
        "Policies": lists("policies"),
        "AppliedPolicies": lists("policies"),
        "Routes": lists("routes"),
        "ProxyRules": lists("rules"),
        "Layout": object(&["kri", "inbounds", "outbounds", "listeners"], json!({
            "kri": text(), "labels": { "type": "object" }, "inbounds": objects(), "outbounds": objects(), "listeners": objects(),
        })),
        "Config": object(&["xds"], json!({ "xds": { "type": "object" }, "diff": objects() })),
        "DataplaneTokenRequest": object(&["mesh"], json!({
            "name": text(), "mesh": { "type": "string", "minLength": 1 },
            "tags": { "type": "object", "additionalProperties": texts() },
            "type": { "type": "string", "enum": ["", "dataplane", "ingress", "egress"] },
            "workload": text(), "validFor": text(),
        })),
        "ZoneTokenRequest": object(&["scope"], json!({ "zone": text(), "scope": texts(), "validFor": text() })),
        "UserTokenRequest": object(&["name", "validFor"], json!({
            "name": { "type": "string", "minLength": 1 }, "groups": texts(), "validFor": text(),
        })),
    });
    match schemas {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}
