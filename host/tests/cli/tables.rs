use super::support::{err, json, out, silverback};

const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart");

#[test]
fn whole_table_is_shown() {
    let output = silverback(&["translate", "-f", QUICKSTART], "");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let shown = out(&output);
    // The digest and the size are of the bytes, which may change.
    let (shown, last) = shown.trim_end().rsplit_once('\n').expect("lines");
    assert!(last.contains(" bytes, digest "), "{last}");
    insta::assert_snapshot!(shown);
}

#[test]
fn order_of_files_does_not_change_the_table() {
    let file = |name: &str| format!("{QUICKSTART}/{name}.yaml");
    let names = ["gateway", "ingress", "shop"].map(file);
    let [a, b, c] = &names;
    let table = |paths: [&str; 3]| {
        let [a, b, c] = paths;
        let output = silverback(&["translate", "-f", a, "-f", b, "-f", c, "-o", "json"], "");
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert_eq!(json(&output)["schemaVersion"], 1);
        out(&output)
    };
    assert_eq!(table([a, b, c]), table([c, a, b]));
}
