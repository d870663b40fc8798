//! `configuration.konghq.com/v1` KongPlugin and KongClusterPlugin: which plugin of Kong it is, and
//! where its configuration comes from.
//!
//! The configuration itself is never kept: it may hold secrets, and only Kong reads it. Who gives
//! it to Kong takes it from the object.

use super::field::{Field, Read, Reported, Sink, quote};
use super::unknown;
use crate::problem::Code;

/// What is read of a KongPlugin or KongClusterPlugin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KongPlugin {
    /// Kong's name of the plugin; `None`: the object cannot be used.
    pub(crate) plugin: Option<Box<str>>,
    pub(crate) disabled: bool,
    /// Is there a `config`?
    pub(crate) inline: bool,
    /// `configFrom`.
    pub(crate) from: Option<SecretKey>,
    /// `configPatches`.
    pub(crate) patches: Box<[ConfigPatch]>,
    /// Label `global: "true"`.
    pub(crate) global: bool,
    /// Annotation `kubernetes.io/ingress.class`.
    pub(crate) class: Option<Box<str>>,
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretKey {
    /// `None`: that of the plugin.
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
    pub(crate) key: Box<str>,
}

/// A part of the configuration that comes from a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigPatch {
    /// A JSON pointer.
    pub(crate) path: Box<str>,
    pub(crate) from: SecretKey,
}

pub(crate) fn read(root: &Field<'_, '_>, cluster: bool, sink: &mut Sink) -> KongPlugin {
    let metadata = root.key("metadata");
    let labels = metadata.key("labels");
    let annotations = metadata.key("annotations");
    let class = annotations.key("kubernetes.io/ingress.class").text(sink);
    let global = cluster && labels.key("global").text(sink) == Ok(Some("true"));
    let mut out = KongPlugin {
        plugin: None,
        disabled: false,
        inline: false,
        from: None,
        patches: Box::new([]),
        global,
        class: class
            .ok()
            .flatten()
            .filter(|c| !c.is_empty())
            .map(Into::into),
    };
    // What cannot be read leaves `plugin` empty: without it, routes that need it answer 500.
    if let Ok(plugin) = read_config(root, cluster, &mut out, sink) {
        out.plugin = Some(plugin);
    }
    out
}

fn read_config(
    root: &Field<'_, '_>,
    cluster: bool,
    out: &mut KongPlugin,
    sink: &mut Sink,
) -> Read<Box<str>> {
    let field = root.key("plugin");
    let plugin = field.required_text(sink)?;
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if plugin.len() > 253 || !plugin.bytes().all(known) {
        sink.push(field.error(
            Code::InvalidName,
            format!("{} is no name of a plugin of Kong", quote(plugin)),
        ));
        return Err(Reported);
    }
    out.disabled = root.key("disabled").boolean(sink)?.unwrap_or(false);
    let config = root.key("config");
    config.object(sink)?;
    out.inline = !config.is_empty();
    let from = root.key("configFrom");
    if !from.is_absent() {
        from.object(sink)?;
        unknown::warn(&from, &["secretKeyRef"], sink);
        out.from = Some(read_key(&from.key("secretKeyRef"), cluster, sink)?);
        if out.inline {
            sink.push(from.error(Code::InvalidValue, "excludes config; use one of them"));
            return Err(Reported);
        }
    }
    let patches = root.key("configPatches");
    let mut read = Vec::new();
    for (_, patch) in patches.items(sink)? {
        patch.required_object(sink)?;
        unknown::warn(&patch, &["path", "valueFrom"], sink);
        let value = patch.key("valueFrom");
        unknown::warn(&value, &["secretKeyRef"], sink);
        read.push(ConfigPatch {
            path: patch.key("path").text(sink)?.unwrap_or_default().into(),
            from: read_key(&value.key("secretKeyRef"), cluster, sink)?,
        });
    }
    out.patches = read.into();
    Ok(plugin.into())
}

fn read_key(field: &Field<'_, '_>, cluster: bool, sink: &mut Sink) -> Read<SecretKey> {
    field.required_object(sink)?;
    let known: &[&str] = match cluster {
        true => &["namespace", "name", "key"],
        false => &["name", "key"],
    };
    unknown::warn(field, known, sink);
    let namespace = if cluster {
        Some(field.key("namespace").required_name(sink)?.into())
    } else {
        None
    };
    Ok(SecretKey {
        namespace,
        name: field.key("name").required_name(sink)?.into(),
        key: field.key("key").required_text(sink)?.into(),
    })
}
