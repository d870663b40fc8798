//! Finds the place of a field: `spec.rules[0].http.paths[1].backend` -> line and column.

use std::ops::Range;
use std::sync::Arc;

use super::node::{self, Kind, Node};
use super::source::{Place, SourceFile};
use crate::problem::Source;

/// Looks up fields. It keeps the document it read last, because problems come in runs.
#[derive(Debug, Default)]
pub struct Locator {
    last: Option<Parsed>,
}

#[derive(Debug)]
struct Parsed {
    file: Arc<SourceFile>,
    range: Range<usize>,
    node: Option<Node>,
}

// === impl Locator ===

impl Locator {
    /// Where a field of an object is, or what is nearest to it: a field that is missing is reported
    /// where it should have been.
    pub fn locate(&mut self, place: &Place, field: &str) -> Source {
        let Some(root) = self.node(place) else {
            return place.start();
        };
        let object = match place.item {
            None => root,
            Some(index) => match root.get("items").map(|items| &items.kind) {
                Some(Kind::Sequence(items)) => items.get(index).unwrap_or(root),
                _ => root,
            },
        };
        let (line, mut column) = walk(object, field);
        if line == 1 {
            // A JSON value may start behind another one on its line.
            column = column.saturating_add(place.start_column() - 1);
        }
        let line = place.first_line.saturating_add(line.saturating_sub(1));
        place.file.at(line, column)
    }

    fn node(&mut self, place: &Place) -> Option<&Node> {
        let same = self
            .last
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(&last.file, &place.file) && last.range == place.range);
        if !same {
            self.last = Some(Parsed {
                file: Arc::clone(&place.file),
                range: place.range.clone(),
                node: node::with_stack(|| node::read(place.text())).ok(),
            });
        }
        self.last.as_ref()?.node.as_ref()
    }
}

/// Follows the path as far as it goes.
fn walk(mut node: &Node, path: &str) -> (u32, u32) {
    let mut found = (node.line, node.column);
    let mut rest = path;
    while !rest.is_empty() {
        let Some((at, next, after)) = step(node, rest) else {
            break;
        };
        (found, node, rest) = (at, next, after);
    }
    found
}

/// One step of a path: where it leads and what of the path is left.
fn step<'n, 'p>(node: &'n Node, path: &'p str) -> Option<((u32, u32), &'n Node, &'p str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(bracket) = path.strip_prefix('[') {
        let (inner, after) = bracket.split_once(']')?;
        return match &node.kind {
            Kind::Sequence(items) => {
                let item = items.get(inner.parse::<usize>().ok()?)?;
                Some(((item.line, item.column), item, after))
            }
            // `annotations[example.com/a]`
            Kind::Mapping(_) => {
                let (at, value) = entry(node, inner.trim_matches(['"', '\'']))?;
                Some((at, value, after))
            }
            _ => None,
        };
    }
    // A key may have dots itself (`annotations.example.com/a`): the longest that fits is meant.
    let ends = path
        .char_indices()
        .filter(|(_, char)| matches!(char, '.' | '['))
        .map(|(index, _)| index)
        .chain([path.len()]);
    let mut ends: Vec<_> = ends.collect();
    ends.reverse();
    ends.into_iter().find_map(|end| {
        let (at, value) = entry(node, &path[..end])?;
        Some((at, value, &path[end..]))
    })
}

/// An entry of a mapping. A scalar is pointed to itself; a mapping or a list starts on another
/// line most of the time, so what is pointed to is the key.
fn entry<'n>(node: &'n Node, name: &str) -> Option<((u32, u32), &'n Node)> {
    let Kind::Mapping(entries) = &node.kind else {
        return None;
    };
    let (key, value) = entries.iter().find(|(key, _)| key.text == name)?;
    let at = match value.kind {
        Kind::Null | Kind::Sequence(_) | Kind::Mapping(_) => (key.line, key.column),
        _ => (value.line, value.column),
    };
    Some((at, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::{Format, parse};
    use proptest::prelude::*;

    fn locate(text: &str, field: &str) -> (u32, u32) {
        let file = Arc::new(SourceFile {
            name: "a.yaml".to_owned(),
            format: Format::Yaml,
            text: text.to_owned(),
        });
        let found = parse(&file);
        assert!(found.problems.is_empty(), "{:?}", found.problems);
        let object = found.objects.last().expect("an object");
        let source = Locator::default().locate(&object.place, field);
        (source.line, source.column)
    }

    const INGRESS: &str = "\
# a comment
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: shop
  annotations:
    example.com/a.b: x
spec:
  rules:
    - host: a.com
      http:
        paths:
          - path: /
          - path: /x
            backend:
              service: {name: s, port: {number: 80}}
";

    #[test]
    fn fields_have_lines_and_columns_of_the_file() {
        for (field, at) in [
            ("", (3, 1)),
            ("kind", (4, 7)),
            ("metadata.annotations.example.com/a.b", (8, 22)),
            ("metadata.annotations[example.com/a.b]", (8, 22)),
            ("metadata.annotations[\"example.com/a.b\"]", (8, 22)),
            ("spec.rules[0].host", (11, 13)),
            ("spec.rules[0].http.paths[1].backend", (16, 13)),
            (
                "spec.rules[0].http.paths[1].backend.service.port.number",
                (17, 49),
            ),
        ] {
            assert_eq!(locate(INGRESS, field), at, "{field}");
        }
    }

    #[test]
    fn missing_field_is_where_it_should_have_been() {
        assert_eq!(locate(INGRESS, "spec.ingressClassName"), (9, 1));
        assert_eq!(locate(INGRESS, "spec.rules[7].host"), (10, 3));
        assert_eq!(
            locate(INGRESS, "spec.rules[0].http.paths[0].backend"),
            (14, 13)
        );
        assert_eq!(locate(INGRESS, "]["), (3, 1));
    }

    #[test]
    fn items_of_a_list_are_places_of_their_own() {
        let list = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Service
  metadata: {name: a}
- apiVersion: v1
  kind: Service
  metadata:
    name: b
";
        assert_eq!(locate(list, "metadata.name"), (10, 11));
        assert_eq!(locate(list, ""), (7, 3));
    }

    #[test]
    fn json_values_on_one_line_have_their_own_columns() {
        let file = Arc::new(SourceFile {
            name: "a.json".to_owned(),
            format: Format::Json,
            text: concat!(
                r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"ä"}} "#,
                r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"b"}}"#,
            )
            .to_owned(),
        });
        let found = parse(&file);
        let places: Vec<_> = found
            .objects
            .iter()
            .map(|object| {
                let source = Locator::default().locate(&object.place, "metadata.name");
                (source.line, source.column)
            })
            .collect();
        assert_eq!(places, [(1, 56), (1, 117)]);
        assert_eq!(found.objects[1].place.start().column, 62);
    }

    #[test]
    fn json_with_tabs_has_places_too() {
        let file = Arc::new(SourceFile {
            name: "a.json".to_owned(),
            format: Format::Json,
            text: "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Service\",\n\t\"metadata\": {\n\t\t\"name\":\t\"a\"\n\t}\n}\n"
                .to_owned(),
        });
        let found = parse(&file);
        let source = Locator::default().locate(&found.objects[0].place, "metadata.name");
        assert_eq!((source.line, source.column), (5, 11));
    }

    /// A tree of unknown shape, written as YAML by hand, with the place of every scalar.
    fn write(
        depth: usize,
        seed: &mut u64,
        path: &str,
        out: &mut String,
        places: &mut Vec<(String, (u32, u32))>,
    ) {
        let mut random = |below: u64| {
            *seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (*seed >> 33) % below
        };
        let indent = "  ".repeat(depth);
        let list = random(2) == 0;
        let count = random(3) + 1;
        let leaves: Vec<bool> = (0..count).map(|_| depth > 4 || random(2) == 0).collect();
        for (index, leaf) in leaves.into_iter().enumerate() {
            let (head, here) = if list {
                ("-".to_owned(), format!("{path}[{index}]"))
            } else {
                (format!("k{index}.x:"), format!("{path}.k{index}.x"))
            };
            *out += &format!("{indent}{head}");
            if leaf {
                let line = u32::try_from(out.matches('\n').count()).expect("small") + 1;
                let column = u32::try_from(indent.len() + head.len()).expect("small") + 2;
                *out += " v\n";
                places.push((here, (line, column)));
            } else {
                *out += "\n";
                write(depth + 1, seed, &here, out, places);
            }
        }
    }

    proptest! {
        #[test]
        fn every_scalar_is_found_by_its_path(seed: u64) {
            let mut text = "apiVersion: v1\nkind: A\nmetadata: {name: a}\nspec:\n".to_owned();
            let mut places = Vec::new();
            write(1, &mut seed.clone(), "spec", &mut text, &mut places);
            for (path, at) in places {
                prop_assert_eq!(locate(&text, &path), at, "{} in\n{}", path, text);
            }
        }

        #[test]
        fn any_path_leads_somewhere(path in "[a-z.\\[\\]0-9\"é]{0,20}") {
            let (line, _) = locate(INGRESS, &path);
            prop_assert!(line >= 3);
        }
    }
}
