//! docs/problems.md lists every code of the translator. `SILVERBACK_BLESS=1 cargo test -p
//! silverback-core --test problems_page` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use silverback_core::problem::Code;

const BEGIN: &str =
    "<!-- codes of the translator: generated, see wasm-filter/core/tests/problems_page.rs -->\n";
const END: &str = "<!-- end of the generated part -->\n";

#[test]
fn the_page_lists_every_code_with_cause_and_cure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems.md");
    let page = std::fs::read_to_string(&path).expect("docs/problems.md");
    let (head, rest) = page.split_once(BEGIN).expect("the begin marker");
    let (listed, tail) = rest.split_once(END).expect("the end marker");
    let generated = table();
    if std::env::var_os("SILVERBACK_BLESS").is_some() {
        let page = format!("{head}{BEGIN}{generated}{END}{tail}");
        std::fs::write(&path, page).expect("the page can be written");
        return;
    }
    assert_eq!(
        listed, generated,
        "docs/problems.md is out of date (hint: SILVERBACK_BLESS=1)"
    );
}

fn table() -> String {
    let mut table = "| code | cause | cure |\n|---|---|---|\n".to_owned();
    for code in Code::ALL {
        writeln!(
            table,
            "| `{}` | {} | {} |",
            code.as_str(),
            code.cause(),
            code.cure()
        )
        .expect("a String takes everything");
    }
    table
}
