//! Label selectors (`metav1.LabelSelector`).

use std::collections::BTreeMap;

use super::field::{Field, Read, Reported, Sink, quote};
use super::unknown;
use crate::problem::Code;

/// A label selector: all must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) requirements: Box<[Requirement]>,
}

/// One requirement of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) key: Box<str>,
    pub(crate) operator: Operator,
    pub(crate) values: Box<[Box<str>]>,
}

/// How a label must relate to the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// A requirement that cannot be read makes the selector select nothing: without it, it would
/// select too much.
pub(crate) fn read(selector: &Field<'_, '_>, sink: &mut Sink) -> Read<Selector> {
    unknown::warn(selector, &["matchLabels", "matchExpressions"], sink);
    let labels = selector.key("matchLabels");
    let mut requirements = BTreeMap::new();
    for (key, _) in labels.members(sink)? {
        let value = labels.key(key).text(sink)?.unwrap_or_default();
        requirements.insert(key, value);
    }
    let mut requirements: Vec<_> = requirements
        .into_iter()
        .map(|(key, value)| Requirement {
            key: key.into(),
            operator: Operator::In,
            values: Box::new([value.into()]),
        })
        .collect();
    let expressions = selector.key("matchExpressions");
    for (_, expression) in expressions.items(sink)? {
        expression.required_object(sink)?;
        unknown::warn(&expression, &["key", "operator", "values"], sink);
        let operator = expression.key("operator");
        let values = expression.key("values");
        let mut texts = Vec::new();
        for (_, value) in values.items(sink)? {
            texts.push(value.text(sink)?.unwrap_or_default().into());
        }
        requirements.push(Requirement {
            key: expression.key("key").required_text(sink)?.into(),
            operator: read_operator(&operator, sink)?,
            values: texts.into(),
        });
    }
    Ok(Selector {
        requirements: requirements.into(),
    })
}

fn read_operator(field: &Field<'_, '_>, sink: &mut Sink) -> Read<Operator> {
    match field.required_text(sink)? {
        "In" => Ok(Operator::In),
        "NotIn" => Ok(Operator::NotIn),
        "Exists" => Ok(Operator::Exists),
        "DoesNotExist" => Ok(Operator::DoesNotExist),
        other => {
            sink.push(field.error(
                Code::InvalidValue,
                format!("{} is no operator of a label selector", quote(other)),
            ));
            Err(Reported)
        }
    }
}

// === impl Selector ===

impl Selector {
    /// Does it select an object with these labels?
    pub(crate) fn selects(&self, labels: &BTreeMap<Box<str>, Box<str>>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            let listed = value.is_some_and(|value| requirement.values.contains(value));
            match requirement.operator {
                Operator::In => listed,
                // "NotIn" holds for objects without the label too (apimachinery labels).
                Operator::NotIn => !listed,
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }
}
