//! The rule of `golden/gateway-api` that uses everything, as the table has it.

use crate::fixture::matches;
use crate::translate_support::{World, any_class};

#[test]
fn a_rule_with_everything_is_in_the_table_as_written() {
    let world = World::of(any_class(), include_str!("../golden/gateway-api/in.yaml"));
    let mut rule = matches(&world)
        .into_iter()
        .find(|m| m["ruleName"] == "everything")
        .expect("the rule");
    // Ids of plugin sets are the table's business.
    rule["plugins"]["id"] = "…".into();
    // Whether maps keep the order of insertion depends on what else is built beside these tests.
    rule.sort_all_objects();
    let text = serde_json::to_string_pretty(&rule).expect("JSON");
    insta::with_settings!({
        snapshot_path => "../golden/gateway-api",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("rule", text);
    });
}
