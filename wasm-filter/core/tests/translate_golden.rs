//! `golden/<case>/in.yaml` -> what the translator makes of it, as reviewed snapshots.

mod translate_support;

use translate_support::{World, any_class};

#[test]
fn golden_cases() {
    insta::glob!("golden/*/in.yaml", |path| {
        let text = std::fs::read_to_string(path).expect("a golden case");
        let world = World::of(any_class(), &text);
        let mut out = String::new();
        let mut section = |name: &str, lines: Vec<String>| {
            out += &format!("# {name}\n{}\n\n", lines.join("\n"));
        };
        section("routes", world.routes());
        section("listeners and services", world.rest());
        let entities = world.published.entities.values();
        let entities: Vec<_> = entities.cloned().collect();
        if !entities.is_empty() {
            section("entities", entities);
        }
        section("problems", world.problems());
        let statuses = world.published.statuses.iter();
        section(
            "statuses",
            statuses
                .map(|(key, json)| format!("{key} {json}"))
                .collect(),
        );
        let case = path.parent().expect("a directory");
        insta::with_settings!({
            snapshot_path => case,
            prepend_module_to_snapshot => false,
            snapshot_suffix => "",
            omit_expression => true,
        }, {
            insta::assert_snapshot!("out", out);
        });
    });
}
